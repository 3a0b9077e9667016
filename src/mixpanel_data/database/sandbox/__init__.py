"""Untrusted SQL: what it may contain, how long it may run, how much it may return.

In: untrusted SQL. Out: its rows, or a refusal; from this process, or from a worker.
"""
