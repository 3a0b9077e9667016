"""Runs Alembic on an open connection, in the caller's transaction. Imported on demand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script import revision as revisions
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData, inspect

from mixpanel_data.dialect.alembic.impl import register_duckdb
from mixpanel_data.exceptions import MigrationError, RevisionError
from mixpanel_data.schema import property_columns
from mixpanel_data.schema.catalog import managed_tables, unrecorded_tables
from mixpanel_data.schema.tables import INTERNAL, VERSION_TABLE, managed_table
from mixpanel_data.schema.versions import HEAD, version_of

logger = logging.getLogger("mixpanel_data")

#: Alembic keeps the migration that is running in global variables.
_ALEMBIC = threading.RLock()


def declared_tables(connection: Connection) -> MetaData:
    """Declare the tables that a database should have at head: the internal and the managed ones.

    Comments belong to the application, so they are taken from the database.
    """
    metadata = MetaData()
    for table in INTERNAL.tables.values():
        table.to_metadata(metadata)
    managed = managed_tables(connection)
    with_properties = property_columns.find_all(connection, managed)
    for name, kind in managed.items():
        managed_table(kind, name, metadata, property_columns=with_properties[name])
    inspector = inspect(connection)
    for (_, name), comment in inspector.get_multi_table_comment().items():
        if name in metadata.tables:
            metadata.tables[name].comment = comment["text"]
    for (_, name), columns in inspector.get_multi_columns().items():
        for column in columns if name in metadata.tables else []:
            if column["name"] in metadata.tables[name].c:
                metadata.tables[name].c[column["name"]].comment = column["comment"]
    return metadata


def options(connection: Connection | None) -> dict[str, Any]:
    """Return Alembic's options for a database; None is for ``--sql``, which only prints SQL.

    Other tables belong to the application, and so do indexes and constraints that it adds to
    these.
    """
    metadata = INTERNAL if connection is None else declared_tables(connection)

    def include_name(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name in metadata.tables

    def include_object(
        item: object, name: str | None, kind: str, reflected: object, declared: object
    ) -> bool:
        return kind in ("table", "column") or not reflected or declared is not None

    return {
        "target_metadata": metadata,
        "version_table": VERSION_TABLE.name,
        "version_table_pk": False,
        "include_name": include_name,
        "include_object": include_object,
    }


def upgrade(connection: Connection, path: Path | str, revision: str = HEAD) -> None:
    """Upgrade to a revision; the caller commits.

    Args:
        connection: Connection with a transaction open.
        path: The file, for messages.
        revision: The revision to go to.

    Raises:
        RevisionError: There is no such revision.
        MigrationError: Something failed; the caller rolls back.
    """
    adopting = version_of(connection).state == "unversioned"
    _run(command.upgrade, connection, path, revision)
    if adopting and (names := unrecorded_tables(connection)):
        logger.warning(
            "%s: there is no metadata for %s, as after a load that died half-way. They stay as "
            "they are: load their data again, then drop them.",
            path,
            ", ".join(names),
        )


def downgrade(connection: Connection, path: Path | str, revision: str) -> None:
    """Downgrade to a revision; otherwise like :func:`upgrade`."""
    _run(command.downgrade, connection, path, revision)


def moves(before: str | None, revision: str, *, down: bool) -> bool:
    """Tell whether a migration would change the revision.

    Args:
        before: The revision of the database.
        revision: The revision to go to, by a whole or short name or relatively, such as ``+1``.
        down: Whether it is a downgrade.

    Raises:
        RevisionError: There is no such revision.
    """
    scripts = ScriptDirectory.from_config(_config())
    try:
        if down:
            steps = scripts.iterate_revisions(before, revision, select_for_downgrade=True)
        else:
            steps = scripts.iterate_revisions(revision, before, implicit_base=True)
        return any(True for _ in steps)
    except revisions.RevisionError as error:
        raise RevisionError(revision, error) from error


def differences(connection: Connection) -> list[str]:
    """Return a sentence for each difference from the tables that a database should have."""
    with _alembic():
        context = MigrationContext.configure(connection, opts=options(connection))
        found = compare_metadata(context, context.opts["target_metadata"])
    return [_sentence(change) for entry in found for change in _as_list(entry)]


def history() -> list[tuple[str, str | None, str]]:
    """Return the revisions, oldest first: name, previous one, summary."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    steps = [(script.revision, script.down_revision, script.doc) for script in scripts]
    return [
        (name, str(before) if before else None, summary) for name, before, summary in steps[::-1]
    ]


@contextmanager
def _alembic() -> Iterator[None]:
    with _ALEMBIC:
        register_duckdb()
        yield


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "mixpanel_data.migrations:")
    config.set_main_option("path_separator", "os")
    return config


def _run(go: Any, connection: Connection, path: Path | str, revision: str) -> None:
    before = version_of(connection).revision
    config = _config()
    config.attributes["connection"] = connection
    try:
        with _alembic():
            go(config, revision)
    except CommandError as error:
        raise RevisionError(revision, error) from error
    except Exception as error:
        cause = getattr(error, "orig", error)
        raise MigrationError(path, before, revision, f"The cause: {cause}") from cause


def _as_list(entry: Any) -> list[tuple[Any, ...]]:
    """Alembic has a tuple for a change, but a list of tuples for changes of one column."""
    return entry if isinstance(entry, list) else [entry]


def _sentence(change: tuple[Any, ...]) -> str:
    """Describe a missing change as what is wrong now."""
    match change:
        case ("add_table", table):
            return f"There is no table {table.name!r}."
        case ("add_column", _, table, column):
            return f"Table {table!r} has no column {column.name!r}."
        case ("remove_column", _, table, column):
            return f"Table {table!r} has a column {column.name!r} too many."
        case ("modify_type", _, table, column, _, found, wanted):
            return f"Column {column!r} of table {table!r} has type {found}, not {wanted}."
    _, _, table, column, _, found, _ = change  # "modify_nullable", the last case
    may = "may be NULL" if found else "may not be NULL"
    return f"Column {column!r} of table {table!r} {may}."
