"""Worker processes that run a stranger's SQL, and both ends of the pipes to them.

In: a request. Out: rows as Arrow, or what went wrong. ``main`` is the process, the rest this side.
"""
