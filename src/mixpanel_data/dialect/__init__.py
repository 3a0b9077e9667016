"""The SQLAlchemy dialect ``duckdb+mixpanel://``: an overlay on duckdb-engine.

Of the rest of ``mixpanel_data`` it imports only the rooms beneath: ``common`` and ``exceptions``.
"""

from mixpanel_data.dialect.base import MixpanelDialect

__all__ = ["MixpanelDialect"]
