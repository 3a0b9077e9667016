"""Alembic's environment for the library's tables. It is in ``database/alembic_environment.py``."""

from mixpanel_data.database import alembic_environment

alembic_environment.run_environment()
