"""Turns errors of DuckDB's client that come through SQLAlchemy into errors of this library.

What they become is told by :mod:`~mixpanel_data.database.driver_failures`. Before, the dialect
corrects the classes of the client's errors, in :mod:`~mixpanel_data.dialect.driver.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mixpanel_data.database.driver_failures import INVALIDATED, translated
from mixpanel_data.database.paths import MEMORY
from mixpanel_data.dialect.lake.definition import Lake, is_lake
from mixpanel_data.exceptions import (
    DatabaseFileError,
    MixpanelDataError,
    QueryError,
    SchemaVersionError,
)
from mixpanel_data.schema import versions
from mixpanel_data.schema.tables import INTERNAL

#: Messages about the database that do not name its file.
_OWN_FAULT = re.compile(rf"{INVALIDATED}|Corrupt database file")

#: What DuckDB raises where there is no such table or column.
_LACKING = (duckdb.CatalogException, duckdb.BinderException)

_INTERNAL = re.compile(rf"\b(?:{'|'.join(INTERNAL.tables)})\b")


def translate_driver_errors(engine: Engine, place: Path | Lake | None) -> Engine:
    """Return the engine for internal use: it raises errors of this library for the driver's.

    Where the internal tables lack something, that is the error for their version: a migration can
    change it while an engine is open.

    Errors of iterators and callbacks that run in between are not the driver's and stay as they
    are.
    """
    own = engine.execution_options()

    @event.listens_for(own, "handle_error")  # SQLAlchemy calls it for every engine of the dialect
    def translate(context: ExceptionContext) -> None:
        if context.engine is own and isinstance(context.original_exception, duckdb.Error):
            cause = context.original_exception
            if isinstance(cause, _LACKING) and _INTERNAL.search(str(cause).partition("\n")[0]):
                try:
                    with engine.connect() as connection:
                        versions.check(connection, _name_of(place))
                except SchemaVersionError as error:
                    raise error from cause
            raise translated(cause, place, context.statement or "") from cause

    return own


def _name_of(place: Path | Lake | None) -> Path | str:
    """Return what messages call a database."""
    return str(place) if isinstance(place, Lake) else place or Path(MEMORY)


@contextmanager
def file_errors(place: Path | Lake) -> Iterator[None]:
    """Turn driver errors of an engine of the application into errors of this library, chained."""
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, duckdb.Error):
            raise
        if isinstance(error.orig, duckdb.ConnectionException) and isinstance(place, Path):
            raise DatabaseFileError(place, f"cannot be opened. {error.orig}") from error.orig
        raise translated(error.orig, place, error.statement or "") from error.orig


@contextmanager
def query_errors(query: object, engine: Engine) -> Iterator[None]:
    """Turn every error of a user's query into one of this library, chained.

    It is a ``QueryError``, unless the disk is full or the database file itself is the cause.

    Args:
        query: SQL text or SQLAlchemy statement.
        engine: The engine that runs it.
    """

    def ours(error: duckdb.Error) -> MixpanelDataError:
        """Return our error; the cause may be another file that the query uses."""
        if is_lake(engine.url):
            return translated(error, Lake.from_url(engine.url), str(query))
        database, message = str(engine.url.database), str(error)
        concerned = f'"{database}"' in message or _OWN_FAULT.search(message)
        path = Path(database) if database != MEMORY and concerned else None
        return translated(error, path, str(query))

    try:
        yield
    except DBAPIError as error:  # SQLAlchemy's message would contain the parameters
        if isinstance(error.orig, duckdb.Error):
            raise ours(error.orig) from error.orig
        raise QueryError(str(error.orig), str(query)) from error.orig
    except duckdb.Error as error:
        raise ours(error) from error
    except (TypeError, ValueError, NotImplementedError) as error:
        if type(error).__module__ != "pyarrow.lib":  # which need not be there
            raise
        raise QueryError(
            f"Arrow cannot hold the result: {error}. Cast the column in the query, such as to "
            "VARCHAR, or use to_json().",
            str(query),
        ) from error
    except SQLAlchemyError as error:
        raise QueryError(str(error), str(query)) from error
