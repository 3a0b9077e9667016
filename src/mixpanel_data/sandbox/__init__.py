"""SQL that nobody has read: what it may contain, how long it may take, how much it may give.

In: the text of a stranger. Out: its rows, or a refusal; in this process, or in a worker.
"""
