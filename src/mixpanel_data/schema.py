"""The version of the internal tables in a file: created at head, compared, never migrated here."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select

from mixpanel_data.exceptions import SchemaUnknownError, SchemaUnversionedError
from mixpanel_data.tables import INTERNAL, METADATA_TABLE, VERSION_TABLE

#: The head of ``migrations/versions``; a test compares the two. It stands here as well so that
#: opening a file needs no Alembic.
HEAD = "0001"


def revision_of(connection: Connection) -> str | None:
    """Return the schema revision of a database, None when it has none."""
    if not inspect(connection).has_table(VERSION_TABLE.name):
        return None
    return connection.scalar(select(VERSION_TABLE.c.version_num))


def ensure(connection: Connection) -> None:
    """Create the internal tables, at head, where the database has none; the caller commits."""
    if revision_of(connection) is None:
        INTERNAL.create_all(connection, checkfirst=False)
        VERSION_TABLE.create(connection, checkfirst=True)
        connection.execute(insert(VERSION_TABLE).values(version_num=HEAD))


def check(connection: Connection, path: Path) -> None:
    """Make sure that the library can work with the tables of a database. Changes nothing.

    Args:
        connection: Connection to the database.
        path: Its file, for the message.

    Raises:
        SchemaUnversionedError: The database has our internal table, but no revision.
        SchemaUnknownError: The database has a revision that this library does not know.
    """
    found = revision_of(connection)
    if found is None and inspect(connection).has_table(METADATA_TABLE.name):
        raise SchemaUnversionedError(path, HEAD)
    if found not in (None, HEAD):
        raise SchemaUnknownError(path, str(found), HEAD)
