"""Load into a database that others write to at the same time: stage first, then lock and add.

Reading and checking the rows takes nearly all the time of a load, so it is done before the lock is
taken: the rows are staged in a temporary table. With the lock, they are compared with those of the
table, added, and committed. A conflict with somebody who did not have the lock undoes that
transaction only, and it is run again.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from contextlib import nullcontext

from sqlalchemy import Connection

from mixpanel_data.database.handle import Database
from mixpanel_data.exceptions import TableExistsError, WriteConflictError
from mixpanel_data.ingest.deduplication import discard_repeated
from mixpanel_data.ingest.duplicate_counts import log_duplicates
from mixpanel_data.ingest.insert_stream import Batches
from mixpanel_data.ingest.key_filter import KeyFilter
from mixpanel_data.ingest.load import (
    Loaded,
    Space,
    Staged,
    add_staged,
    delete_days,
    move_staged,
    require_type,
    stage_beside,
)
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.schema import catalog, metadata_rows, property_columns
from mixpanel_data.schema.property_columns import count_misfits
from mixpanel_data.schema.property_sql import expressions
from mixpanel_data.schema.table_lifecycle import create_table, delete_metadata, drop_table
from mixpanel_data.schema.tables import managed_table

logger = logging.getLogger("mixpanel_data")

#: How often a transaction is run that conflicts with others, and the longest wait in between.
_ATTEMPTS = 10
_LONGEST_WAIT = 0.5

#: What to do with the staged rows: decided by whether the table is there, so under its lock.
Step = Callable[[Connection, LoadOptions, Staged, Space], Loaded]


def load(
    database: Database,
    options: LoadOptions,
    choose: Callable[[Connection, LoadOptions], str],
    make_batches: Callable[[], Batches],
    space: Space,
) -> Loaded:
    """Stage rows, then add them to their table in a transaction of its own.

    Args:
        database: The database.
        options: The table, and how to load it.
        choose: Tells whether to ``"create"``, ``"append"`` or ``"replace"`` the table.
        make_batches: Makes the batches, which are consumed once.
        space: Where rows may be meanwhile.

    Raises:
        TableExistsError: The table exists, and must not. Nothing was consumed.
        TableNotFoundError: The table does not exist, and must. Nothing was consumed.
        RecordError: A record cannot be stored.
        TableLockedError: Another loader has the lock of the table.
        WriteConflictError: Others without the lock kept changing the table.
    """
    database.require_open()
    database.require_writable()
    with database.catalog_connection() as connection:
        with connection.begin():
            _refuse_early(connection, options, choose(connection, options))
        with connection.begin():
            staged = stage(connection, options, make_batches(), space)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return _commit(database, connection, options, choose, staged, space)
            except WriteConflictError as error:
                if attempt == _ATTEMPTS:
                    raise
                logger.info("%s: run again after a conflict: %s", options.name, error.__cause__)
                time.sleep(random.uniform(0, _LONGEST_WAIT))  # noqa: S311 (no secret)
    raise AssertionError  # the last attempt has raised


def _refuse_early(connection: Connection, options: LoadOptions, chosen: str) -> None:
    """Raise for a table that cannot be created or appended to, before anything is read."""
    if chosen == "append":
        require_type(connection, options)
    elif chosen == "create" and catalog.find_table(connection, options.name, views=True):
        raise TableExistsError(options.name)


def _commit(
    database: Database,
    connection: Connection,
    options: LoadOptions,
    choose: Callable[[Connection, LoadOptions], str],
    staged: Staged,
    space: Space,
) -> Loaded:
    # Replacing drops a table, whose metadata goes.
    adds_rows = options.if_exists != "replace"
    transaction = database.write_transaction if options.must_exist else database.ddl_transaction
    with transaction(options.name, adds_rows=adds_rows, connection=connection):
        chosen = choose(connection, options)
        if chosen == "replace":
            drop_table(connection, options.name)
        run: Step = append_from if chosen == "append" else create_from
        return run(connection, options, staged, space)


def stage(connection: Connection, options: LoadOptions, batches: Batches, space: Space) -> Staged:
    """Stage the rows of a load into a shared database, before anything is locked.

    Args:
        connection: Connection with a transaction open, which touches no other table.
        options: The table, and how to load it.
        batches: The rows; consumed once.
        space: Where rows may be meanwhile.

    Raises:
        RecordError: A record cannot be stored.
    """
    rows = KeyFilter(batches, None)
    with space.budget():
        staging = stage_beside(connection, options, rows, options.progress)
    return Staged(staging, rows.rows)


def create_from(
    connection: Connection, options: LoadOptions, staged: Staged, space: Space
) -> Loaded:
    """Create a managed table of a shared database from staged rows.

    Args:
        connection: Connection with a transaction open, the one that has the staged rows.
        options: The table, and how to load it.
        staged: The rows.
        space: How the files of the table are laid out.

    Raises:
        TableExistsError: A table or view of that name exists.
        DuplicateRecordError: A key occurs twice, and conflicts are errors.
    """
    columns = options.property_columns
    target = managed_table(options.kind, options.table.name, property_columns=columns)
    create_table(connection, target)
    space.lay_out(connection, target)
    discarded = discard_repeated(connection, staged.table, options)
    derived = expressions(columns)
    misfits = count_misfits(connection, staged.table, columns, derived)
    move_staged(connection, staged.table, target, derived)
    log_duplicates(options, discarded)
    loaded = Loaded(staged.rows, discarded, misfits)
    delete_metadata(connection, target.name)
    metadata_rows.record(connection, target.name, options.metadata, loaded.added)
    property_columns.record(connection, target.name, columns)
    return loaded


def append_from(
    connection: Connection, options: LoadOptions, staged: Staged, space: Space
) -> Loaded:
    """Add staged rows to a managed table of a shared database.

    Args:
        connection: Connection with a transaction open, the one that has the staged rows.
        options: The table, and how to load it.
        staged: The rows.
        space: Where rows may be meanwhile.

    Raises:
        TableNotFoundError: There is no managed table of that name.
        MetadataError: The table is of the other type.
        DuplicateRecordError: A key occurs twice, and conflicts are errors.
    """
    before = require_type(connection, options)
    metadata_rows.extend(connection, before, options.metadata)
    if options.days is not None:
        delete_days(connection, options.table, options.days)
    return add_staged(connection, options, before.table_name, staged, space, nullcontext)
