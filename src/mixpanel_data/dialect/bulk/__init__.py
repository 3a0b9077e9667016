"""``executemany()`` as one statement over an Arrow batch.

In: an INSERT and its rows. Out: a statement that does the same in one go, where there is one.
"""
