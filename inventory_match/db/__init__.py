"""Postgres: models, the unit of work, and one module a concern. Distances never leave this room."""
