"""An open database: its path, locks, settings, permissions and errors.

In: a path and options. Out: a handle that provides connections and transactions, and errors of this
library for DuckDB's errors.
"""
