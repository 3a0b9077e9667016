"""SQLAlchemy engines over an open database."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import duckdb
from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from mixpanel_data.database.paths import path_of
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.dialect.urls import split_options

logger = logging.getLogger("mixpanel_data")


def database_url(target: str | os.PathLike[str] | URL) -> URL:
    """Return the URL of a database for our dialect.

    Args:
        target: Path of a file, or the URL of a DuckDB database with any driver. Paths in URLs are
            not decoded: spaces and percent signs stay.

    Raises:
        ValueError: It is no URL, or that of another kind of database.
        DatabaseFileError: It is a path with the ``~`` of an unknown user.
    """
    if isinstance(target, str) and "://" in target:
        try:
            target = make_url(target)
        except (ArgumentError, ValueError):  # whose message may contain part of a password
            raise ValueError("The target is no URL. Use duckdb+mixpanel:///PATH.") from None
    if not isinstance(target, URL):
        return URL.create("duckdb+mixpanel", database=str(path_of(target).absolute()))
    if target.get_backend_name() != "duckdb":
        raise ValueError(f"{target!r} is no DuckDB database. Use duckdb+mixpanel:///PATH.")
    return target.set(drivername="duckdb+mixpanel")


def url_options(url: URL) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return DuckDB's settings of a URL, and the options of the dialect that concern opening.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    own, rest = _options(url)
    return dict(rest.query), own


def lake_options(url: URL) -> tuple[dict[str, Any], Lake]:
    """Return the options of the dialect that concern opening, and the lake, of the URL of one.

    Raises:
        ValueError: An option has a value that it cannot have, or there is no such lake.
    """
    own, rest = _options(url)
    return own, Lake.from_url(rest)


def _options(url: URL) -> tuple[dict[str, Any], URL]:
    try:
        own, rest = split_options(url)
    except ArgumentError as error:
        raise ValueError(str(error)) from None
    own.pop("foreign_keys", None)  # the library's tables have none
    return own, rest


def make_engine(url: URL, connect: Callable[[], Any]) -> Engine:
    """Make the SQLAlchemy engine over an open database.

    A DuckDB cursor is a connection of its own and costs microseconds, so no connection pool is
    needed: every checkout gets a new connection, without old state.

    Args:
        url: The URL of the database, without secrets.
        connect: Returns a new connection of the dialect.
    """
    return create_engine(url, creator=connect, poolclass=NullPool)


def checkpoint(engine: Engine) -> None:
    """Write the WAL into the database file, unless the database is in use or has no WAL.

    Otherwise DuckDB does so later. After a change of tables it is better done at once: such a WAL
    is what DuckDB most often fails to replay after a crash
    (https://github.com/duckdb/duckdb/issues/25510).
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.dialect.supports_checkpoint:  # type: ignore[attr-defined]
            return
        try:
            connection.exec_driver_sql("CHECKPOINT")
        except DBAPIError as error:
            if not isinstance(error.orig, duckdb.TransactionException):
                raise
            logger.info("Not checkpointed, because the database is in use: %s", error.orig)
