"""An open database: its path, locks, settings, permissions and errors.

In: a path and options. Out: a handle that lends connections and transactions, and DuckDB's errors
as ours.
"""
