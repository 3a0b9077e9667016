"""The library's tables, and what a database contains.

In: a connection. Out: Core tables, mapped classes, the catalog, the revision and its migrations.
"""
