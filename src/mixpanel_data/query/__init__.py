"""Run queries, and read the catalog.

In: SQL text or SQLAlchemy statements. Out: rows, scalars, DataFrames, relations, query plans.
"""
