"""Benchmarks of the storage engine beside other ways of doing the same.

Run with ``python -m benchmarks`` from the root of the repository; ``--help`` tells the rest.
"""
