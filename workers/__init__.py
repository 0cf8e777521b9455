"""Celery's room: `app` (configuration, beat) and `tasks` (each about five lines). Installed as `inventory_match_workers`."""
