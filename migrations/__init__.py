"""Alembic's room: `env.py`, `versions/` and the SQL each version reads from `views/`. Installed as its own package."""
