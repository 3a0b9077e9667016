"""A DuckDB of our own, in memory, for what no database of the user is needed for.

What is in a database cannot take part: it may hold macros with the names of DuckDB's functions.
"""

from __future__ import annotations

import os
from functools import lru_cache

import duckdb

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # so that there are no others, which would not survive a fork
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
    "arrow_lossless_conversion": True,
}


def scratch() -> duckdb.DuckDBPyConnection:
    """Return a new connection to the DuckDB of our own, to be closed."""
    return _opened(os.getpid()).cursor()


@lru_cache(maxsize=1)
def _opened(pid: int) -> duckdb.DuckDBPyConnection:
    """Open it once in a process; what a parent had opened before a fork is not touched."""
    return duckdb.connect(":memory:", config=_CONFIG)
