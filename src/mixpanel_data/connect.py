"""From a path to an open database, and from the driver's errors to ours.

This is the one place that reads the text of a driver's message, and only where nothing else tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from mixpanel_data.exceptions import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseLockedError,
    MixpanelDataError,
    QueryError,
)

_FILE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException)

_LOCKED = re.compile(r"Could not set lock on file|being used by another process")
_PID = re.compile(r"\(PID (\d+)\)")
_NO_DATABASE = re.compile(r"not a valid DuckDB database file|corrupt|checksum", re.IGNORECASE)


def open_database(
    path: Path | None, *, read_only: bool, config: Mapping[str, Any]
) -> duckdb.DuckDBPyConnection:
    """Open a database file, or a database in memory.

    Closing the connection that this returns also closes every cursor made from it, and with them
    the file.

    Args:
        path: The file, created where there is none and ``read_only`` is false; None for memory.
        read_only: Open without the right to write.
        config: DuckDB's settings, such as ``memory_limit``.

    Raises:
        DatabaseFileError: The file cannot be opened; the subclass says why.
        QueryError: DuckDB refuses the settings.
    """
    database = ":memory:" if path is None else str(path)
    try:
        return duckdb.connect(database, read_only=read_only, config=dict(config))
    except duckdb.ConnectionException as error:
        raise DatabaseFileError(Path(database), f"cannot be opened. {error}") from error
    except duckdb.Error as error:
        raise translated(error, path, "") from error


def make_engine(path: Path | None, connect: Callable[[], Any]) -> Engine:
    """Make the SQLAlchemy engine over an open database.

    A DuckDB cursor is a connection of its own and costs microseconds, so there is nothing to pool:
    every checkout gets a fresh one and leaves no state behind.

    Args:
        path: The file, for the engine's URL.
        connect: Gives a new connection of the dialect.
    """
    url = URL.create("duckdb+mixpanel", database=":memory:" if path is None else str(path))
    return create_engine(url, creator=connect, poolclass=NullPool)


def with_own_errors(engine: Engine, path: Path | None) -> Engine:
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
def query_errors(query: object) -> Iterator[None]:
    """Turn every error that a query of the user causes into a ``QueryError``, chained.

    Args:
        query: SQL text or SQLAlchemy statement.
    """
    try:
        yield
    except DBAPIError as error:  # SQLAlchemy's own message would show the values of parameters
        raise QueryError(str(error.orig), str(query)) from error.orig
    except (duckdb.Error, SQLAlchemyError) as error:
        raise QueryError(str(error), str(query)) from error


def translated(error: duckdb.Error, path: Path | None, query: str) -> MixpanelDataError:
    """Return our error for the driver's, by its class.

    Args:
        error: What the driver raised.
        path: The database file, None in memory.
        query: The SQL that was running.
    """
    message = str(error)
    # DuckDB 2.0 has no class for a wrong checksum.
    about_file = isinstance(error, _FILE_ERRORS) or type(error) is duckdb.Error
    if path is None or not about_file:
        return QueryError(message, query)
    if _LOCKED.search(message):
        holder = _PID.search(message)
        return DatabaseLockedError(path, int(holder[1]) if holder else None)
    if _NO_DATABASE.search(message):
        return DatabaseCorruptError(
            path, f"no DuckDB database, or a damaged one. Check the path. DuckDB says: {message}"
        )
    return DatabaseFileError(path, message)
