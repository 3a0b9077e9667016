"""What SQLAlchemy's inspector asks of the catalog.

In: names of schemas and tables. Out: SQLAlchemy's records of columns, keys, indexes and comments.
"""
