"""Alembic over DuckDB: what its operations become, with tables recreated where DuckDB must.

Call :func:`register_duckdb` in ``env.py``.
"""

from mixpanel_data.dialect.alembic.impl import register_duckdb

__all__ = ["register_duckdb"]
