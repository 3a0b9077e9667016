"""Corrects the class of errors that DuckDB's client raises, and says what to do next.

SQLAlchemy and this library distinguish errors by their class. Where the client uses the wrong one,
the message decides. No other module of the dialect reads messages of errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import duckdb
from duckdb import (
    BinderException,
    ConnectionException,
    ConstraintException,
    DependencyException,
    InvalidInputException,
    NotImplementedException,
    OutOfRangeException,
    ParserException,
    TransactionException,
)


class InterfaceError(duckdb.Error):
    """PEP 249's error of using the interface wrongly, which DuckDB's client does not have."""


class WriteConflictException(TransactionException):
    """Another transaction changed the same rows or tables. Roll back, and run it all again."""


# In lower case: DuckDB's messages have some of the names in capitals.
_KINDS: dict[str, type[Exception]] = {
    name.lower(): kind for name, kind in vars(duckdb).items() if name.endswith("Exception")
}


class _Repair(NamedTuple):
    """How to correct an error.

    Attributes:
        kinds: The class that the client raises, with its subclasses unless it is in ``_EXACT``.
        pattern: A pattern to find in the message.
        make: Makes the correct error.
    """

    kinds: type[Exception]
    pattern: re.Pattern[str]
    make: Callable[[Any, re.Match[str]], BaseException]


def _repair(
    kinds: type[Exception], pattern: str, make: Callable[[Any, re.Match[str]], BaseException]
) -> _Repair:
    return _Repair(kinds, re.compile(pattern, re.DOTALL), make)


def _of_kind(error: Exception, match: re.Match[str]) -> Exception:
    """Return the error as the class that its message names."""
    name = f"{match[1].replace(' ', '')}exception".lower()
    return _KINDS.get(name, InvalidInputException)(str(error))


def _no_text(error: Exception, _: re.Match[str]) -> InvalidInputException:
    return InvalidInputException("A text holds what UTF-8 cannot express.")


def _too_deep(error: ValueError, _: re.Match[str]) -> NotImplementedException:
    return NotImplementedException(
        f"A column is nested deeper than Arrow's 64 levels: {error}. Use to_json(column), or "
        "execute_rows() without a sandbox."
    )


def _cut_message(error: UnicodeDecodeError, _: re.Match[str]) -> InvalidInputException:
    return InvalidInputException(bytes(error.object).decode(errors="replace"))


def _advising(kinds: type[Exception], pattern: str, advice: str) -> _Repair:
    """Return the repair that only adds what to do next."""
    return _repair(kinds, pattern, lambda error, _: type(error)(f"{error}\n{advice}"))


_SAVEPOINT = (
    "DuckDB has no savepoints. Do what may fail in a transaction of its own, on a second "
    "connection of the same engine."
)
_MATERIALIZED = (
    "DuckDB has no materialized views. Use CREATE VIEW, or CREATE TABLE … AS SELECT and run it "
    "again to refresh it."
)

_AS_CREATED = (
    "DuckDB has this in CREATE TABLE only. Recreate the table: in Alembic with "
    "op.batch_alter_table(), else with CREATE TABLE and INSERT … SELECT. Foreign keys can also be "
    "in the models only: duckdb+mixpanel:///PATH?foreign_keys=off."
)

#: What helps where DuckDB says what is wrong, but not what to do.
_ADVICE = [
    _advising(
        ConnectionException,
        "different configuration than existing connections",
        "This process has the file open already, and read_only, config and sandbox must be the "
        "same. Use that engine, or the same settings, or dispose() or close() it first; a copy "
        "that backup() makes can be opened in any way.",
    ),
    _advising(
        ConstraintException,
        "still referenced by a foreign key in a different table",
        "DuckDB counts rows that refer to it until their deletion is committed: delete it in a "
        "second transaction. Or create the tables without foreign keys in the database: "
        "duckdb+mixpanel:///PATH?foreign_keys=off.",
    ),
    _advising(
        DependencyException,
        "Cannot alter entry",
        "An index or a foreign key depends on the table. Drop the index, or the table that refers "
        "to it, and create it again afterwards. In Alembic, op.batch_alter_table() does that for "
        "indexes; without foreign keys in the database, ?foreign_keys=off, none depends on it.",
    ),
    _advising(
        BinderException,
        r"Referenced table .* not found.*\b(?i:RETURNING)\b",
        "RETURNING has columns of the changed table only, not of FROM or USING. Select the others "
        "by its key, in the same transaction.",
    ),
    _advising(NotImplementedException, r"No support for .*\bALTER TABLE\b", _AS_CREATED),
    _advising(ParserException, "Adding columns with .*constraints", _AS_CREATED),
    _advising(
        ParserException,
        r'(?i)at or near "DATABASE".*\b(?:CREATE|DROP)\b',
        "To DuckDB, a database is a file. Connecting to it creates it, os.path.exists() asks for "
        "it, and who deletes the closed file drops it.",
    ),
    _advising(ParserException, r'(?i)at or near "(?:MATERIALIZED|REFRESH)"', _MATERIALIZED),
    _advising(NotImplementedException, r"\bdrop (?:MATERIALIZED VIEW|this type)\b", _MATERIALIZED),
    _advising(
        ParserException,
        r"(?i)LINE \d+:\s*(?:SAVEPOINT|RELEASE|ROLLBACK(?:\s+\w+)?\s+TO)\b",
        _SAVEPOINT,
    ),
    _advising(
        ParserException,
        r"(?i)LINE \d+:\s*(?:PREPARE\s+TRANSACTION|(?:COMMIT|ROLLBACK)\s+PREPARED)\b",
        "DuckDB has no two-phase commit. Commit one database after the other.",
    ),
]

#: The first match applies.
_REPAIRS = [
    *_ADVICE,
    # DuckDB reports a key that two transactions inserted concurrently as a transaction error.
    _repair(
        TransactionException,
        "Failed to commit: PRIMARY KEY or UNIQUE constraint violation",
        lambda error, _: ConstraintException(str(error)),
    ),
    _repair(
        TransactionException,
        r"(?i)\bconflict\b",
        lambda error, _: WriteConflictException(str(error)),
    ),
    # DuckDB 1.5 wraps errors of a streaming result.
    _repair(
        InvalidInputException,
        r"unsuccessful or closed pending query result\nError: ([\w ]+) Error: ",
        _of_kind,
    ),
    # How pyarrow raises errors of DuckDB while it streams batches.
    _repair(OSError, r"\A([\w ]+) Error: ", _of_kind),
    # Arrow's limit, where it takes a result over from DuckDB, and where a worker sends one.
    _repair(ValueError, r"(?i)\A(?:recursion level in Arrow|max recursion depth)", _too_deep),
    # How DuckDB 1.5 raises Ctrl-C.
    _repair(RuntimeError, r"\AQuery interrupted\Z", lambda error, _: KeyboardInterrupt()),
    # Lone surrogates in SQL, settings and, in 1.5, parameters.
    _repair(RuntimeError, r"\Astd::bad_cast", _no_text),
    _repair(RuntimeError, r"\AUnable to cast Python instance of type <class 'str'>", _no_text),
    _repair(
        UnicodeEncodeError,
        "",
        lambda error, _: InvalidInputException(f"A text holds what UTF-8 cannot express: {error}"),
    ),
    # DuckDB cut its message inside a UTF-8 character.
    _repair(UnicodeDecodeError, "", _cut_message),
    # A value of DuckDB is out of range in Python, such as a long interval.
    _repair(
        OverflowError,
        "",
        lambda error, _: OutOfRangeException(f"Python cannot hold a value of the result: {error}"),
    ),
]

#: Subclasses of these are other errors.
_EXACT = (OSError, RuntimeError, TransactionException)


@contextmanager
def driver_errors() -> Iterator[None]:
    """Correct the class of errors that the client raises in the block.

    Raises:
        KeyboardInterrupt: Ctrl-C, which DuckDB 1.5 raises as a ``RuntimeError``.
        Error: An error of the client, corrected by :data:`_REPAIRS`.
    """
    try:
        yield
    except Exception as error:
        if (repaired := _repaired(error)) is None:
            raise
        raise repaired from error


def _repaired(error: Exception) -> BaseException | None:
    """Return the corrected error, None if its class is right."""
    for kinds, pattern, make in _REPAIRS:
        fits = type(error) is kinds if kinds in _EXACT else isinstance(error, kinds)
        if fits and (match := pattern.search(str(error))) is not None:
            return make(error, match)
    return None


def is_locked(error: Exception) -> bool:
    """Tell whether a file could not be opened because another process has it open."""
    return isinstance(error, duckdb.IOException) and "Could not set lock on file" in str(error)


def is_refused_alter(error: BaseException | None) -> bool:
    """Tell whether an ``ALTER TABLE`` failed because DuckDB cannot do it."""
    kinds = (duckdb.DependencyException, duckdb.NotImplementedException, duckdb.ParserException)
    bound = isinstance(error, (duckdb.CatalogException, duckdb.BinderException))
    return isinstance(error, kinds) or (bound and "Error: Cannot " in str(error))
