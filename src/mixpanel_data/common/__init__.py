"""Small things that every room uses: names and values, signals, forks, the registry of open files.

Nothing here knows DuckDB's tables or ours. Only the exceptions lie beneath.
"""
