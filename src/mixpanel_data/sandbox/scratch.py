"""A DuckDB of our own, in memory, for what no database of the user is needed for.

What is in a database cannot take part: it may hold macros with the names of DuckDB's functions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache

import duckdb

from mixpanel_data.common.forks import in_forked_children, keep_from_destruction

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,  # so that there are no others, which would not survive a fork
    "enable_external_access": False,
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
    "python_enable_replacements": False,
    "arrow_lossless_conversion": True,
}


#: The one of this process, and those that parents had before a fork.
_opened: list[duckdb.DuckDBPyConnection] = []


def scratch_connection() -> duckdb.DuckDBPyConnection:
    """Return a new connection to the DuckDB of our own, to be closed."""
    return _own(os.getpid()).cursor()


@contextmanager
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    """Lend a connection to the DuckDB of our own.

    After an internal error DuckDB works on nothing any more. Then the next block gets a new one.
    """
    with closing(scratch_connection()) as connection:
        try:
            yield connection
        except (duckdb.InternalException, duckdb.FatalException):
            _own.cache_clear()
            raise


@cache
def _own(pid: int) -> duckdb.DuckDBPyConnection:
    """Open it once in a process; what a parent had opened before a fork is not touched."""
    _opened.append(duckdb.connect(":memory:", config=_CONFIG))
    return _opened[-1]


def _detach_after_fork() -> None:
    """Keep what the parent has open from being destroyed in a forked child, even at its end."""
    for driver in _opened:
        keep_from_destruction(driver)


in_forked_children(_detach_after_fork)
