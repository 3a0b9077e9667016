"""Load batches into a table: stage rows, discard duplicates, record metadata; the caller commits.

Rows are staged in a table without a key and deduplicated there. Only then is the key added to a new
table, or are the rows moved to the existing one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    not_,
    select,
    true,
)
from sqlalchemy.schema import AddConstraint, CreateTable, DropTable

from mixpanel_data.exceptions import MetadataError, RecordDayError
from mixpanel_data.ingest.deduplication import deduplicate, discard_repeated
from mixpanel_data.ingest.deferred_rows import DeferredRows
from mixpanel_data.ingest.duplicate_counts import DuplicateCounts, log_duplicates
from mixpanel_data.ingest.insert_stream import Batches, insert_batches, insert_derived
from mixpanel_data.ingest.json_validation import refuse_missing_documents
from mixpanel_data.ingest.key_filter import KeyFilter
from mixpanel_data.ingest.options import LoadOptions, Progress
from mixpanel_data.schema import catalog, metadata_rows, property_columns
from mixpanel_data.schema.metadata_rows import Recorded
from mixpanel_data.schema.property_columns import count_misfits
from mixpanel_data.schema.property_sql import expressions
from mixpanel_data.schema.row_positions import ROWID, position_of
from mixpanel_data.schema.table_lifecycle import claim_table_name, create_table, delete_metadata
from mixpanel_data.schema.tables import managed_table, without_key


@dataclass(frozen=True)
class Space:
    """Where the rows of a load may be until they are in their table.

    Attributes:
        budget: Keeps DuckDB's memory low in a block.
        beside: A file in whose folder a temporary one may be made; None for memory only.
        lay_out: Says how the files of a new table are laid out, where there are several.
    """

    budget: Callable[[], AbstractContextManager[None]]
    beside: Path | None
    lay_out: Callable[[Connection, Table], None] = lambda connection, table: None


#: Name of the temporary table, which only the connection of the load can see.
STAGING = "_staging"


class Staged(NamedTuple):
    """The rows of a load, before they are in their table.

    Attributes:
        table: The temporary table that they are in.
        rows: How many there are.
    """

    table: Table
    rows: int


class Loaded(NamedTuple):
    """What became of the rows of a load.

    Attributes:
        rows: How many the batches had.
        discarded: How many of them, or of those in the table, another row took the place of.
        misfits: How many properties their column cannot hold.
    """

    rows: int
    discarded: DuplicateCounts
    misfits: int

    @property
    def added(self) -> int:
        """The number of rows by which the table grew."""
        return self.rows - self.discarded.rows


def create(connection: Connection, options: LoadOptions, batches: Batches, space: Space) -> Loaded:
    """Create a managed table with its rows and metadata.

    Args:
        connection: Connection with a transaction open.
        options: The table, and how to load it.
        batches: The rows; consumed once.
        space: Where rows may be meanwhile.

    Raises:
        TableExistsError: A table or view of that name exists. Nothing was consumed.
        WriteConflictError: Another connection is changing the same table.
        RecordError: A record cannot be stored.
    """
    table = options.table
    columns = options.property_columns
    declared = managed_table(options.kind, table.name, property_columns=columns)
    derived = expressions(columns)
    compression = catalog.document_compression(connection)
    target = without_key(declared, table.name, compression=compression)
    create_table(connection, target)
    is_checked = "error" in (options.on_conflict, options.on_collision)
    filtered = KeyFilter(batches, None if is_checked else options.key, space.beside)
    progress = options.progress
    with space.budget(), closing(filtered):
        told = progress and (lambda _: progress(filtered.rows))
        _stage(connection, filtered, target, told, derived)
        if filtered.deferred is None:
            discarded = discard_repeated(connection, target, options)
            if options.on_collision == "keep":  # has changed documents of stored rows
                property_columns.refresh(connection, options.kind, table.name, columns)
        elif filtered.deferred.rows:
            staging = stage_beside(connection, options, filtered.deferred)
            discarded = deduplicate(connection, staging, options).of_one_load()
            move_staged(connection, staging, target, derived)
        else:
            discarded = DuplicateCounts()
        misfits = count_misfits(connection, target, columns)
    log_duplicates(options, discarded)
    loaded = Loaded(filtered.rows, discarded, misfits)
    if options.primary_key:
        connection.execute(AddConstraint(table.primary_key))
    delete_metadata(connection, table.name)
    metadata_rows.record(connection, table.name, options.metadata, loaded.added)
    property_columns.record(connection, table.name, columns)
    return loaded


def append(connection: Connection, options: LoadOptions, batches: Batches, space: Space) -> Loaded:
    """Add rows to a managed table and merge its metadata.

    Args:
        connection: Connection with a transaction open.
        options: The table, under any case of its name, and how to load it.
        batches: The rows; consumed once.
        space: Where rows may be meanwhile.

    Raises:
        TableNotFoundError: There is no managed table of that name. Nothing was consumed.
        MetadataError: The table is of the other type. Nothing was consumed.
        WriteConflictError: Another connection is changing the same table. Nothing was consumed.
        RecordError: A record cannot be stored.
    """
    before = require_type(connection, options)
    with claim_table_name(options.table.name):
        metadata_rows.extend(connection, before, options.metadata)
    rows = KeyFilter(batches, None)
    # What changes an index has to hold it in memory, whatever its size.
    limit = nullcontext if catalog.is_indexed(connection, before.table_name) else space.budget
    if options.days is not None:
        with limit():
            delete_days(connection, options.table, options.days)
    with space.budget():
        staging = stage_beside(connection, options, rows, options.progress)
    return add_staged(
        connection, options, before.table_name, Staged(staging, rows.rows), space, limit
    )


def require_type(connection: Connection, options: LoadOptions) -> Recorded:
    """Return the metadata of the table that gets rows.

    Raises:
        TableNotFoundError: There is no managed table of that name.
        MetadataError: It is of the other type.
    """
    before = catalog.find_metadata(connection, options.table.name)
    if before.type != options.metadata.type:
        problem = f"is {options.metadata.type!r}, but {options.table.name} holds {before.type}."
        raise MetadataError("type", problem)
    return before


def add_staged(
    connection: Connection,
    options: LoadOptions,
    name: str,
    staged: Staged,
    space: Space,
    limit: Callable[[], AbstractContextManager[None]],
) -> Loaded:
    """Deduplicate staged rows and add them to the table of a name."""
    columns = property_columns.find(connection, name)
    target = managed_table(options.kind, name, property_columns=columns)
    derived = expressions(columns)
    with limit() if options.on_conflict == "replace" else space.budget():
        discarded = deduplicate(connection, staged.table, options)
        misfits = count_misfits(connection, staged.table, columns, derived)
    with limit():
        move_staged(connection, staged.table, target, derived)
    log_duplicates(options, discarded)
    metadata_rows.set_row_count(connection, target)
    return Loaded(staged.rows, discarded, misfits)


def delete_days(connection: Connection, table: Table, days: tuple[date, date]) -> None:
    """Delete the events of some days, whose place others take."""
    connection.execute(delete(table).where(_is_of_days(table, days)))


def stage_beside(
    connection: Connection,
    options: LoadOptions,
    source: KeyFilter | DeferredRows,
    progress: Progress | None = None,
) -> Table:
    """Stage rows for a table that has rows already, in a table of their own."""
    staging = without_key(options.table, STAGING, prefixes=["TEMPORARY"])
    connection.execute(CreateTable(staging))
    _stage(connection, source, staging, progress, {})
    if options.days is not None:
        _require_days(connection, staging, options.days)
    return staging


def move_staged(
    connection: Connection, staging: Table, table: Table, derived: Mapping[str, str]
) -> None:
    """Move all staged rows into a table, which has columns made of theirs, too."""
    connection.execute(insert_derived(table, select(staging), derived))
    connection.execute(DropTable(staging))


def _is_of_days(table: Table, days: tuple[date, date]) -> ColumnElement[bool]:
    """Return the condition for the events of some days."""
    first, last = days
    is_early_enough = (
        table.c.event_time < datetime.combine(last + timedelta(days=1), time())
        if last < date.max
        else true()
    )
    return and_(table.c.event_time >= datetime.combine(first, time()), is_early_enough)


def _require_days(connection: Connection, staging: Table, days: tuple[date, date]) -> None:
    """Raise for the first staged event that is not of some days.

    Raises:
        RecordDayError: There is one.
    """
    others = select(ROWID, staging.c.event_time).where(not_(_is_of_days(staging, days)))
    found = connection.execute(others.order_by(ROWID).limit(1)).first()
    if found is not None:
        rowid, moment = found
        raise RecordDayError(position_of(connection, staging, rowid), moment, days)


def _stage(
    connection: Connection,
    source: KeyFilter | DeferredRows,
    staging: Table,
    progress: Progress | None,
    derived: Mapping[str, str],
) -> None:
    """Fill an empty table."""
    insert_batches(connection, staging, source, progress, derived=derived)
    if source.expressions:
        refuse_missing_documents(connection, staging, source.index_of)
