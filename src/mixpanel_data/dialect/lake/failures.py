"""Errors of DuckDB that concern a lake's catalog, as errors of this library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import (
    CatalogueUnavailableError,
    LakeError,
    LakePermissionError,
    MixpanelDataError,
)

#: What libpq, or DuckDB's extension over it, says of a server that is gone or refuses us.
_UNAVAILABLE = re.compile(
    r"Unable to connect to Postgres|server closed the connection|connection to server"
    r"|terminating connection|connection not open|no connection to the server|SSL connection"
    r"|could not receive data from server|could not send data to server"
    r"|the database system is (?:shutting down|starting up|in recovery)"
    r'|Failed to (?:prepare|execute) query "[^"]*":\s*$'
    r"|remaining connection slots|sorry, too many clients"
)

#: What DuckDB says of files that it cannot reach.
_STORAGE = re.compile(
    r"HTTP Error|HTTP 4\d\d|HTTP 5\d\d|Could not (?:connect to server|establish connection)"
    r"|Failed to (?:delete file|create directory)|Cannot open file|Could not write file"
    r"|Unable to connect to URL"
)

#: What PostgreSQL says to a role that may not do something.
_FORBIDDEN = re.compile(r"permission denied for [^\n]+")

#: The connection string in DuckDB's message, and what follows it.
_DETAIL = re.compile(r'.*Unable to connect to Postgres at "[^"]*": ', re.DOTALL)


def lake_error(error: BaseException, lake: Lake) -> MixpanelDataError | None:
    """Return the error of this library for one of DuckDB, None if it does not concern the lake."""
    message = str(error).strip()
    if _UNAVAILABLE.search(message):
        problem = _DETAIL.sub("", message)
        return CatalogueUnavailableError(str(lake), lake.host, lake.database, problem)
    if isinstance(error, duckdb.Error) and (found := _FORBIDDEN.search(message)) is not None:
        return LakePermissionError(str(lake), lake.user, found[0])
    if isinstance(error, duckdb.HTTPException | duckdb.IOException) and _STORAGE.search(message):
        return LakeError(
            str(lake),
            f"a file under {lake.data_path} cannot be read or written. Nothing was committed. "
            f"Check the storage and its credentials. DuckDB says: {message}",
        )
    return None


@contextmanager
def catalog_errors(lake: Lake) -> Iterator[None]:
    """Turn DuckDB's errors about the catalog into errors of this library, chained."""
    try:
        yield
    except duckdb.Error as error:
        if (ours := lake_error(error, lake)) is not None:
            raise ours from error
        if isinstance(error, duckdb.InvalidInputException):
            raise
        raise LakeError(str(lake), f"cannot be used. DuckDB says: {error}") from error
