"""Maps errors of DuckDB's client to errors of this library, by class and message.

A sandbox's worker needs this to start, so nothing here imports SQLAlchemy.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb

from mixpanel_data.database.query_hints import hint_for
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.dialect.lake.failures import lake_error
from mixpanel_data.exceptions import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseFormatError,
    DatabaseInvalidatedError,
    DatabaseLockedError,
    DatabasePermissionError,
    DatabaseWalError,
    DiskFullError,
    EncryptionKeyError,
    EncryptionUnavailableError,
    KeyState,
    MixpanelDataError,
    NotADatabaseError,
    OutOfMemoryError,
    QueryError,
)

#: DuckDB's stack trace of an internal error, which contains paths of this machine.
_STACK_TRACE = re.compile(r"\s*Stack Trace:.*", re.DOTALL)

#: DuckDB's guess where nothing is near: a table of its own catalog.
_GUESS = re.compile(r'\s*Did you mean "(?:pg|duckdb|sqlite)_\w+"\?')

INVALIDATED = r'[Dd]atabase (?:"[^"]*" )?has been invalidated'

_FILE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException)


class Failure(NamedTuple):
    """What went wrong.

    Attributes:
        path: The database file; None in memory, or if only the query can be the cause.
        query: The SQL that was running.
        message: The message of the driver.
    """

    path: Path | None
    query: str
    message: str

    @property
    def file(self) -> Path:
        """The database file, for rows that need one."""
        return self.path or Path()


def concerns_file(error: duckdb.Error) -> bool:
    """Tell whether DuckDB uses the class of an error for problems with a file.

    DuckDB 2.0 has no class for a wrong checksum.
    """
    return isinstance(error, _FILE_ERRORS) or type(error) is duckdb.Error


def _may_be_full(error: duckdb.Error) -> bool:
    """Tell whether DuckDB uses the class for a full disk, and for lack of memory in a commit."""
    return isinstance(error, (*_FILE_ERRORS, duckdb.TransactionException))


def _is_out_of_memory(error: duckdb.Error) -> bool:
    return isinstance(error, duckdb.OutOfMemoryException)


def _any_class(error: duckdb.Error) -> bool:
    return True


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        covers: Tells whether the row applies to the class of an error.
        pattern: A pattern to find in the message.
        make: Makes the error of this library.
        needs_path: True if the row is about a database file.
    """

    covers: Callable[[duckdb.Error], bool]
    pattern: re.Pattern[str]
    make: Callable[[Failure, re.Match[str]], MixpanelDataError]
    needs_path: bool = True


def _row(
    covers: Callable[[duckdb.Error], bool],
    pattern: str,
    make: Callable[[Failure, re.Match[str]], MixpanelDataError],
    *,
    needs_path: bool = True,
    ignore_case: bool = False,
) -> Row:
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    return Row(covers, compiled, make, needs_path)


def _key_row(state: KeyState, pattern: str) -> Row:
    return _row(_any_class, pattern, lambda f, _: EncryptionKeyError(f.file, state))


def _out_of_memory(failure: Failure, _: re.Match[str]) -> OutOfMemoryError:
    return OutOfMemoryError(failure.message, failure.query)


def _disk_full(failure: Failure, match: re.Match[str]) -> DiskFullError:
    path = Path(match["file"] or failure.path or ".")
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError:
        free = None
    advice = "Make room there, then open the database again. DuckDB says: "
    return DiskFullError(path, free, advice + failure.message)


def _locked(failure: Failure, _: re.Match[str]) -> DatabaseLockedError:
    holder = re.search(r"\(PID (\d+)\)", failure.message)
    return DatabaseLockedError(failure.file, int(holder[1]) if holder else None)


#: The first matching row applies. Without one, the error is a ``DatabaseFileError`` if
#: :func:`concerns_file` is true and the path is known, else a ``QueryError``.
_TABLE = [
    _row(_any_class, INVALIDATED, lambda f, _: DatabaseInvalidatedError(f.file, f.message)),
    _row(_is_out_of_memory, "", _out_of_memory, needs_path=False),
    _row(
        _may_be_full,
        "failed to (?:pin|allocate|offload)|Out of Memory Error",
        _out_of_memory,
        needs_path=False,
    ),
    _row(
        _may_be_full,
        r'(?:"(?P<file>[^"]+)": )?(?:No space left on device|File too large|Disk quota exceeded'
        r"|not enough space on the disk)",
        _disk_full,
        needs_path=False,
    ),
    _row(
        _any_class,
        "Unique file handle conflict",
        lambda f, _: DatabaseLockedError(f.file, os.getpid()),
    ),
    _row(_any_class, "read-only crypto module", lambda f, _: EncryptionUnavailableError(f.file)),
    _key_row("missing", "Cannot open encrypted database .* without a key"),
    _key_row("wrong", "Wrong encryption key used"),
    _key_row("needless", "A key is explicitly specified, but database .* is not encrypted"),
    _row(  # how DuckDB 1.5 notices that it has opened the file for reading
        _any_class,
        'replaying WAL file "(.+?)": Could not write file .*Bad file descriptor',
        lambda f, match: DatabaseWalError(f.file, Path(match[1]), f.message, needs_writing=True),
    ),
    _row(
        _any_class,
        'replaying WAL file "(.+?)"',
        lambda f, match: DatabaseWalError(f.file, Path(match[1]), f.message),
    ),
    _row(concerns_file, "Could not set lock on file|being used by another process", _locked),
    _row(
        concerns_file,
        "Permission denied|Read-only file system|Access is denied",
        lambda f, _: DatabasePermissionError(f.file, f.message),
    ),
    _row(
        concerns_file,
        "newer version of DuckDB",
        lambda f, _: DatabaseFormatError(f.file, f.message),
    ),
    _row(
        _any_class,
        # The second is DuckDB's for an empty file with the ending of data.
        "not a valid DuckDB database file|Cannot launch in-memory database in read-only mode",
        lambda f, _: NotADatabaseError(f.file, f.message),
    ),
    _row(
        concerns_file,
        "corrupt|checksum|Could not read enough bytes|Failed to deserialize",
        lambda f, _: DatabaseCorruptError(f.file, f.message),
        ignore_case=True,
    ),
]


def translated(error: duckdb.Error, place: Path | Lake | None, query: str) -> MixpanelDataError:
    """Return the error of this library for one of the driver.

    Args:
        error: The error of the driver.
        place: The database file or the lake; None in memory, or if only the query can be the cause.
        query: The SQL that was running.
    """
    if isinstance(place, Lake) and (ours := lake_error(error, place)) is not None:
        return ours
    path = None if isinstance(place, Lake) else place
    failure = Failure(path, query, _GUESS.sub("", _STACK_TRACE.sub("", str(error))))
    for row in _TABLE:
        fits = (path is not None or not row.needs_path) and row.covers(error)
        if fits and (match := row.pattern.search(failure.message)) is not None:
            return row.make(failure, match)
    if path is None or not concerns_file(error):
        return QueryError(failure.message, query, hint_for(failure.message, query))
    return DatabaseFileError(path, failure.message)
