"""Worker processes that run untrusted SQL, and both ends of the pipes to them.

In: a request. Out: rows as Arrow, or a failure. ``main`` runs in the worker, the rest in the
engine's process.
"""
