"""The SQLAlchemy dialect ``duckdb+mixpanel://``: an overlay on duckdb-engine.

The package stands on its own: of the rest of ``mixpanel_data`` it imports only the registry of open
files.
"""

from mixpanel_data.dialect.base import MixpanelDialect
from mixpanel_data.dialect.dbapi import Connection, Cursor

__all__ = ["Connection", "Cursor", "MixpanelDialect"]
