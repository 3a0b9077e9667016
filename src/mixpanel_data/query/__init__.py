"""Running SQL and looking at data.

In: SQL text or SQLAlchemy statements. Out: rows, scalars, data frames, relations, plans.
"""
