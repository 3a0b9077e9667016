"""The schema revision of a file: created at head, compared, never migrated here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, BigInteger, Connection, insert, inspect, select
from sqlalchemy.schema import CreateTable

from mixpanel_data.dialect.driver.stale_columns import MARKS, RECORDS
from mixpanel_data.dialect.lake.definition import Lake, is_lake
from mixpanel_data.exceptions import (
    SchemaForeignError,
    SchemaNewerError,
    SchemaOlderError,
    SchemaUnversionedError,
    SchemaVersionError,
)
from mixpanel_data.schema.tables import INTERNAL, METADATA_TABLE, VERSION_TABLE
from mixpanel_data.types import SchemaState

#: The revisions in ``migrations/versions``, oldest first; a test compares the two. They are
#: repeated here so that opening a file does not import Alembic.
REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]

#: What to raise in the states in which the library cannot work with a database.
ERRORS: dict[SchemaState, type[SchemaVersionError]] = {
    "older": SchemaOlderError,
    "newer": SchemaNewerError,
    "unversioned": SchemaUnversionedError,
    "foreign": SchemaForeignError,
}


class Version(NamedTuple):
    """The schema version of a database.

    Attributes:
        state: How it compares with this library.
        revision: The schema revision, None when there is none.
        layout: Without one, the oldest revision that has tables such as these; None for those of
            the original library.
    """

    state: SchemaState
    revision: str | None
    layout: str | None = None


def version_of(connection: Connection) -> Version:
    """Return the version of a database. Changes nothing."""
    from mixpanel_data.dialect.sql.names import fold

    inspector = inspect(connection)
    names = inspector.get_table_names()
    revision: str | None = None
    if VERSION_TABLE.name in names:
        revision = connection.scalar(select(VERSION_TABLE.c.version_num))
    if revision is not None:
        if revision == HEAD:
            return Version("current", revision)
        return Version("older" if revision in REVISIONS else "newer", revision)
    if METADATA_TABLE.name not in names:
        taken = map(fold, [*names, *inspector.get_view_names()])
        is_taken = not INTERNAL.tables.keys().isdisjoint(taken)
        return Version("foreign" if is_taken else "absent", None)
    columns = {
        column["name"]: column["type"] for column in inspector.get_columns(METADATA_TABLE.name)
    }
    if not {"table_name", "type"} <= columns.keys() <= set(METADATA_TABLE.c.keys()):
        return Version("foreign", None)
    layout: str | None = None
    if not {RECORDS, MARKS}.isdisjoint(names):
        layout = "0003"
    elif "filter_where" in columns or isinstance(columns.get("row_count"), BigInteger):
        layout = "0002"
    return Version("unversioned", None, layout)


def ensure(connection: Connection) -> None:
    """Create the internal tables, at head, if the database has none; the caller commits."""
    if version_of(connection).revision is None:
        INTERNAL.create_all(connection, checkfirst=False)
        connection.execute(CreateTable(VERSION_TABLE, if_not_exists=True))
        connection.execute(insert(VERSION_TABLE).values(version_num=HEAD))


def check(connection: Connection, path: Path | str) -> Version:
    """Make sure that the library can work with the tables of a database. Changes nothing.

    A database without internal tables is fine: the first load creates them.

    Args:
        connection: Connection to the database.
        path: Its file or place, for the message.

    Returns:
        The version of the database.

    Raises:
        SchemaVersionError: It cannot; the subclass says why.
    """
    version = version_of(connection)
    refuse(version, path, connection.engine.url)
    return version


def refuse(version: Version, path: Path | str, url: URL) -> None:
    """Raise the error for a version that the library cannot work with.

    Args:
        version: The version.
        path: The file or place of the database, for the message.
        url: Its URL, which a command needs for a lake.

    Raises:
        SchemaVersionError: The subclass says what is wrong.
    """
    if error := ERRORS.get(version.state):
        lake = replace(Lake.from_url(url), as_of=None) if is_lake(url) else None
        place = str(lake.url) if lake else None
        if version.layout is not None:
            raise SchemaUnversionedError(path, None, HEAD, url=place, layout=version.layout)
        raise error(path, version.revision, HEAD, url=place)
