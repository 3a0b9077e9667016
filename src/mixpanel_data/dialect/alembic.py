"""What Alembic needs to know about DuckDB. Imported only where Alembic is."""

from __future__ import annotations

from alembic.ddl.impl import DefaultImpl

from mixpanel_data.dialect import MixpanelDialect


def register_duckdb() -> None:
    """Teach Alembic the dialect ``duckdb``, unless the application has taught it already."""
    try:
        DefaultImpl.get_by_dialect(MixpanelDialect())
    except KeyError:
        type("DuckDBImpl", (DefaultImpl,), {"__dialect__": "duckdb", "transactional_ddl": True})
