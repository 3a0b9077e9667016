"""Loading: data of any shape becomes Arrow batches, and those one INSERT.

In: files, records, data frames, Arrow. Out: a table with one row per key, all in one transaction.
"""
