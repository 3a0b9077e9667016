"""Alembic's operations on DuckDB, which recreate tables where ``ALTER TABLE`` cannot do it.

Call :func:`register_duckdb` in ``env.py``.
"""

from mixpanel_data.dialect.alembic.impl import register_duckdb

__all__ = ["register_duckdb"]
