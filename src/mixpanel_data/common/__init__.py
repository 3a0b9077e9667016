"""Helpers for all packages: names and values, signals, forks, the registry of open files.

Nothing here depends on tables. It imports only the exceptions.
"""
