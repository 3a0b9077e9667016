"""The SQLAlchemy dialect ``duckdb+mixpanel://``: an overlay on duckdb-engine.

Of the rest of ``mixpanel_data`` it imports only the rooms beneath: ``common`` and ``exceptions``.
"""
