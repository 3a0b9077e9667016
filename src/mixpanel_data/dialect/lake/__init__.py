"""A DuckLake: what a lake is, and DuckDB's connections to it and to its catalog in PostgreSQL.

In: a :class:`~mixpanel_data.dialect.lake.definition.Lake`.
Out: an attached catalog, and advisory locks.
"""
