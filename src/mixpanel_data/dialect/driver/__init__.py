"""DuckDB's client as the PEP 249 module that SQLAlchemy expects.

In: SQL and parameters. Out: cursors with results that are independent of each other.
"""
