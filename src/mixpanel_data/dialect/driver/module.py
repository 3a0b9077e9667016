"""DuckDB's Python client as the PEP 249 module that SQLAlchemy expects.

DuckDB's own cursors are connections, and one connection holds one result. Here a
:class:`Connection` wraps one DuckDB connection, and each :class:`Cursor` on it keeps its own
result: before a newer statement starts, the rest of the older result is buffered.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
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

from mixpanel_data.common.database_files import ForeignFileError, NoFileError, plain_path
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.open_files import Lease
from mixpanel_data.dialect.driver.connection import Connection
from mixpanel_data.dialect.driver.cursor import Cursor
from mixpanel_data.dialect.driver.errors import (
    InterfaceError,
    WriteConflictException,
    driver_errors,
)
from mixpanel_data.dialect.driver.type_codes import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "WriteConflictException",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1
paramstyle = "numeric_dollar"

#: DuckDB's wording for a file that is open elsewhere.
_LOCKED = (
    'Could not set lock on file "{database}": Conflicting lock is held in process (PID {pid}), '
    "or in this one under another name of the file."
)


def connect(
    database: str = ":memory:", *, opened_by: Callable[..., Any] = duckdb.connect, **options: Any
) -> Connection:
    """Open a database and wrap it.

    Args:
        database: Path of the file, or the name of an in-memory database.
        opened_by: What opens it, such as ``connect`` of another module of DuckDB's.
        options: Those of ``duckdb.connect``.

    Raises:
        IOException: Another process has the file open, or this one under another name; or it is no
            database.
        StorageForkedError: The parent process had the file open when it forked this one.
    """
    database = plain_path(str(database))
    try:
        lease = Lease(database, read_only=bool(options.get("read_only")))
        try:
            lease.require_database()
            with driver_errors():
                driver = opened_by(database, **options)
            lease.confirm()
        except BaseException:
            lease.release()
            raise
    except FileLockedError as error:
        raise IOException(_LOCKED.format(database=database, pid=error.pid)) from None
    except (ForeignFileError, NoFileError) as error:
        raise IOException(str(error)) from None
    if isinstance(driver, Connection):  # another module passes everything on to this one
        lease.release()
        return driver
    connection = Connection(driver, lease.require_own, lease)
    # A pool may drop a connection without closing it.
    weakref.finalize(connection, lease.release).atexit = False
    return connection
