"""``executemany()`` as one statement over an Arrow batch.

In: an INSERT or UPDATE and its rows. Out: one equivalent statement, where there is one.
"""
