"""From the driver's errors to ours.

This is the one place that reads the text of a driver's message, and only where nothing else tells.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mixpanel_data.database.paths import MEMORY
from mixpanel_data.exceptions import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseFormatError,
    DatabaseInvalidatedError,
    DatabaseLockedError,
    DatabaseLogError,
    DatabasePermissionError,
    DiskFullError,
    EncryptionKeyError,
    EncryptionUnavailableError,
    KeyState,
    MixpanelDataError,
    NotADatabaseError,
    OutOfMemoryError,
    QueryError,
)

_FILE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException)

#: The classes under which a full disk comes, and memory that runs out while committing.
_DISK_ERRORS = (*_FILE_ERRORS, duckdb.TransactionException)

_LOCKED = re.compile(r"Could not set lock on file|being used by another process")
_LOCKED_HERE = re.compile(r"Unique file handle conflict")
_PID = re.compile(r"\(PID (\d+)\)")
_NEWER_FORMAT = re.compile(r"newer version of DuckDB")
_NO_CIPHER = re.compile(r"read-only crypto module")
_KEYS: dict[KeyState, re.Pattern[str]] = {
    "missing": re.compile(r"Cannot open encrypted database .* without a key"),
    "wrong": re.compile(r"Wrong encryption key used"),
    "needless": re.compile(r"A key is explicitly specified, but database .* is not encrypted"),
}
_FULL = re.compile(
    r'(?:"(?P<file>[^"]+)": )?(?:No space left on device|File too large|Disk quota exceeded'
    r"|not enough space on the disk)"
)
_DENIED = re.compile(r"Permission denied|Read-only file system|Access is denied")
_STOPPED = re.compile(r'[Dd]atabase (?:"[^"]*" )?has been invalidated')
_LOG = re.compile(r'replaying WAL file "(.+?)"')
_NO_MEMORY = re.compile(r"failed to (?:pin|allocate|offload)|Out of Memory Error")
_NO_DATABASE = re.compile(r"not a valid DuckDB database file")
_DAMAGED = re.compile(
    r"corrupt|checksum|Could not read enough bytes|Failed to deserialize", re.IGNORECASE
)

#: What follows an internal error: paths of this machine.
_STACK_TRACE = re.compile(r"\s*Stack Trace:.*", re.DOTALL)

#: What DuckDB says of the database without naming its file.
_OWN_FAULT = re.compile(rf"{_STOPPED.pattern}|Corrupt database file")


def translate_driver_errors(engine: Engine, path: Path | None) -> Engine:
    """Return the same engine for our own use: what its driver raises is turned into our errors.

    The errors of iterators and callbacks that run in between are not the driver's and stay as
    they are.
    """
    own = engine.execution_options()

    @event.listens_for(own, "handle_error")  # SQLAlchemy calls it for every engine of the dialect
    def translate(context: ExceptionContext) -> None:
        if context.engine is own and isinstance(context.original_exception, duckdb.Error):
            cause = context.original_exception
            raise translated(cause, path, context.statement or "") from cause

    return own


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turn what the driver raises over an engine that is not ours into our errors, chained."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, duckdb.Error):
            raise
        if isinstance(error.orig, duckdb.ConnectionException):
            raise DatabaseFileError(path, f"cannot be opened. {error.orig}") from error.orig
        raise translated(error.orig, path, error.statement or "") from error.orig


@contextmanager
def query_errors(query: object, engine: Engine) -> Iterator[None]:
    """Turn every error that a query of the user causes into one of ours, chained.

    It is a ``QueryError``, unless the disk is full or the database file itself is to blame.

    Args:
        query: SQL text or SQLAlchemy statement.
        engine: The engine that runs it.
    """

    def ours(error: duckdb.Error) -> MixpanelDataError:
        """Return our error; the query may have been about other files than the database's."""
        database, message = str(engine.url.database), str(error)
        concerned = f'"{database}"' in message or _OWN_FAULT.search(message)
        path = Path(database) if database != MEMORY and concerned else None
        return translated(error, path, str(query))

    try:
        yield
    except DBAPIError as error:  # SQLAlchemy's own message would show the values of parameters
        if isinstance(error.orig, duckdb.Error):
            raise ours(error.orig) from error.orig
        raise QueryError(str(error.orig), str(query)) from error.orig
    except duckdb.Error as error:
        raise ours(error) from error
    except SQLAlchemyError as error:
        raise QueryError(str(error), str(query)) from error


def translated(error: duckdb.Error, path: Path | None, query: str) -> MixpanelDataError:
    """Return our error for the driver's, by its class.

    Args:
        error: What the driver raised.
        path: The database file, None in memory, or where only a query can be to blame.
        query: The SQL that was running.
    """
    message = _STACK_TRACE.sub("", str(error))
    if path is not None and _STOPPED.search(message):
        return DatabaseInvalidatedError(path, message)
    if isinstance(error, duckdb.OutOfMemoryException):
        return OutOfMemoryError(message, query)
    if isinstance(error, _DISK_ERRORS) and _NO_MEMORY.search(message):
        return OutOfMemoryError(message, query)
    if isinstance(error, _DISK_ERRORS) and (full := _FULL.search(message)):
        return _disk_full(Path(full["file"] or path or "."), message)
    if path is None:
        return QueryError(message, query)
    if (unfit := _unfit_key(path, message)) is not None:
        return unfit
    if log := _LOG.search(message):
        return DatabaseLogError(path, Path(log[1]), message)
    # DuckDB 2.0 has no class for a wrong checksum.
    if not isinstance(error, _FILE_ERRORS) and type(error) is not duckdb.Error:
        return QueryError(message, query)
    if _LOCKED.search(message):
        holder = _PID.search(message)
        return DatabaseLockedError(path, int(holder[1]) if holder else None)
    if _DENIED.search(message):
        return DatabasePermissionError(path, message)
    if _NEWER_FORMAT.search(message):
        return DatabaseFormatError(path, message)
    if _NO_DATABASE.search(message):
        return NotADatabaseError(path, message)
    if _DAMAGED.search(message):
        return DatabaseCorruptError(path, message)
    return DatabaseFileError(path, message)


def _unfit_key(path: Path, message: str) -> DatabaseFileError | None:
    """Return the error for what DuckDB says when it opens a file, if it is about encryption."""
    if _LOCKED_HERE.search(message):
        return DatabaseLockedError(path, os.getpid())
    if _NO_CIPHER.search(message):
        return EncryptionUnavailableError(path)
    return next(
        (EncryptionKeyError(path, state) for state, said in _KEYS.items() if said.search(message)),
        None,
    )


def _disk_full(path: Path, message: str) -> DiskFullError:
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError:
        return DiskFullError(path, None, message)
    return DiskFullError(path, free, message)
