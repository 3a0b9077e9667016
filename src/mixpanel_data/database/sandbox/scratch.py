"""An in-memory DuckDB for work that needs no database of the user.

Macros in the user's database, which may have the names of DuckDB's functions, cannot interfere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache

import duckdb

from mixpanel_data.common.forks import in_forked_children, keep_from_destruction

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # other threads would not survive a fork
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
}


#: The database of this process, and those of its parents before a fork.
_opened: list[duckdb.DuckDBPyConnection] = []


def scratch_connection() -> duckdb.DuckDBPyConnection:
    """Return a new connection to the in-memory DuckDB, to be closed by the caller."""
    return _own(os.getpid()).cursor()


@contextmanager
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    """Provide a connection to the in-memory DuckDB.

    An internal error invalidates the database. Then the next block gets a new one.
    """
    with closing(scratch_connection()) as connection:
        try:
            yield connection
        except (duckdb.InternalException, duckdb.FatalException):
            _own.cache_clear()
            raise


@cache
def _own(pid: int) -> duckdb.DuckDBPyConnection:
    """Open it once per process; that of a parent before a fork is left alone."""
    _opened.append(duckdb.connect(":memory:", config=_CONFIG))
    return _opened[-1]


def _detach_after_fork() -> None:
    """Keep the parent's connections from being destroyed in a forked child, even at its exit."""
    for driver in _opened:
        keep_from_destruction(driver)


in_forked_children(_detach_after_fork)
