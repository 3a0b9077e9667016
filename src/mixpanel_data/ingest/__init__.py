"""Load data: convert it to Arrow batches, and store these with one INSERT.

In: export files, dicts, DataFrames, Arrow. Out: a table with one row per key, in one transaction.
"""
