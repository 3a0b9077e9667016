"""The SQLAlchemy dialect ``duckdb+mixpanel://``, built on duckdb-engine.

From the rest of ``mixpanel_data`` it imports only ``common`` and ``exceptions``.
"""
