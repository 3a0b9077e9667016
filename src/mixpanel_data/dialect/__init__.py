"""The SQLAlchemy dialect ``duckdb+mixpanel://``: an overlay on duckdb-engine.

The package stands on its own: it imports nothing else of ``mixpanel_data``.
"""

from mixpanel_data.dialect.base import MixpanelDialect
from mixpanel_data.dialect.dbapi import Connection, Cursor

__all__ = ["Connection", "Cursor", "MixpanelDialect"]
