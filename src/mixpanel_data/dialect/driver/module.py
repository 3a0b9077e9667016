"""DuckDB's Python client as the PEP 249 module that SQLAlchemy expects.

DuckDB's own cursors are connections, and one connection holds one result. Here a
:class:`Connection` wraps one DuckDB connection, and each :class:`Cursor` on it keeps its own
result: before a newer statement starts, the rest of the older result is buffered.
"""

from __future__ import annotations

import weakref
from typing import Any

import duckdb
from duckdb import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InternalError,
    IOException,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 (the name is PEP 249's)
)

from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.open_files import Lease, plain_path
from mixpanel_data.dialect.driver.connection import Connection
from mixpanel_data.dialect.driver.cursor import Cursor
from mixpanel_data.dialect.driver.errors import WriteConflictException, driver_errors

__all__ = [
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Error",
    "IntegrityError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Warning",
    "WriteConflictException",
    "connect",
]

apilevel = "2.0"
threadsafety = 1
paramstyle = "numeric_dollar"

#: DuckDB's wording for a file that is open elsewhere.
_LOCKED = (
    'Could not set lock on file "{database}": Conflicting lock is held in process (PID {pid}), '
    "or in this one under another name of the file."
)

#: Whether ``executemany()`` reports the number of changed rows; DuckDB 1.5 cannot.
COUNTS_MANY = int(duckdb.__version__.split(".", 1)[0]) >= 2


def Binary(value: bytes) -> bytes:  # noqa: N802 (the name is PEP 249's)
    """Return the bytes as they are: DuckDB binds them to BLOB itself."""
    return value


def connect(database: str = ":memory:", **options: Any) -> Connection:
    """Open a database and wrap it; the options are those of ``duckdb.connect``.

    Raises:
        IOException: Another process has the file open, or this one under another name.
        StorageForkedError: The parent process had the file open when it forked this one.
    """
    database = plain_path(str(database))
    try:
        lease = Lease(database, read_only=bool(options.get("read_only")))
        try:
            with driver_errors():
                driver = duckdb.connect(database, **options)
            lease.confirm()
        except BaseException:
            lease.release()
            raise
    except FileLockedError as error:
        raise IOException(_LOCKED.format(database=database, pid=error.pid)) from None
    connection = Connection(driver, lease.require_own, lease)
    # A pool may drop a connection without closing it.
    weakref.finalize(connection, lease.release).atexit = False
    return connection
