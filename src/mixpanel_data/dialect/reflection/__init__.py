"""Reflection: what SQLAlchemy's inspector reads from the catalog.

In: names of schemas and tables. Out: SQLAlchemy's records of columns, keys, indexes and comments.
"""
