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
    func,
    insert,
    not_,
    select,
    true,
    update,
)
from sqlalchemy.schema import AddConstraint, CreateTable, DropTable

from mixpanel_data.exceptions import MetadataError, RecordDayError
from mixpanel_data.ingest.deduplication import (
    DuplicateCounts,
    deduplicate,
    discard_repeated,
    log_duplicates,
)
from mixpanel_data.ingest.deferred_rows import DeferredRows
from mixpanel_data.ingest.insert_stream import Batches, insert_batches, insert_derived
from mixpanel_data.ingest.json_validation import refuse_missing_documents
from mixpanel_data.ingest.key_filter import KeyFilter
from mixpanel_data.ingest.options import LoadOptions, Progress
from mixpanel_data.ingest.row_positions import ROWID, position_of
from mixpanel_data.schema import catalog, property_columns
from mixpanel_data.schema.metadata_rows import merge_metadata, metadata_row
from mixpanel_data.schema.property_columns import count_misfits
from mixpanel_data.schema.property_sql import expressions
from mixpanel_data.schema.table_lifecycle import claim_table_name, create_table, delete_metadata
from mixpanel_data.schema.tables import METADATA_TABLE, managed_table, without_key


@dataclass(frozen=True)
class Space:
    """Where the rows of a load may be until they are in their table.

    Attributes:
        budget: Keeps DuckDB's memory low in a block.
        beside: A file in whose folder a temporary one may be made; None for memory only.
    """

    budget: Callable[[], AbstractContextManager[None]]
    beside: Path | None


#: Name of the temporary table, which only the connection of the load can see.
STAGING = "_staging"


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
            staging = _stage_beside(connection, options, filtered.deferred)
            discarded = deduplicate(connection, staging, options).of_one_load()
            _move(connection, staging, target, derived)
        else:
            discarded = DuplicateCounts()
        misfits = count_misfits(connection, target, columns)
    log_duplicates(options, discarded)
    loaded = Loaded(filtered.rows, discarded, misfits)
    if options.primary_key:
        connection.execute(AddConstraint(table.primary_key))
    delete_metadata(connection, table.name)
    recorded = {"table_name": table.name, "row_count": loaded.added}
    connection.execute(insert(METADATA_TABLE).values(metadata_row(options.metadata) | recorded))
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
    table, metadata = options.table, options.metadata
    before = catalog.find_metadata(connection, table.name)
    if before.type != metadata.type:
        raise MetadataError("type", f"is {metadata.type!r}, but {table.name} holds {before.type}.")
    own_row = METADATA_TABLE.c.table_name == before.table_name
    with claim_table_name(table.name):
        merged = merge_metadata(before, metadata_row(metadata))
        connection.execute(update(METADATA_TABLE).where(own_row).values(merged))
    columns = property_columns.find(connection, before.table_name)
    target = managed_table(options.kind, table.name, property_columns=columns)
    derived = expressions(columns)
    rows = KeyFilter(batches, None)
    # What changes an index has to hold it in memory, whatever its size.
    limit = nullcontext if catalog.is_indexed(connection, before.table_name) else space.budget
    if options.days is not None:
        with limit():
            connection.execute(delete(table).where(_is_of_days(table, options.days)))
    with space.budget():
        staging = _stage_beside(connection, options, rows, options.progress)
    with limit() if options.on_conflict == "replace" else space.budget():
        discarded = deduplicate(connection, staging, options)
        misfits = count_misfits(connection, staging, columns, derived)
    with limit():
        _move(connection, staging, target, derived)
    log_duplicates(options, discarded)
    total = select(func.system.main.count_star()).select_from(table).scalar_subquery()
    connection.execute(update(METADATA_TABLE).where(own_row).values(row_count=total))
    return Loaded(rows.rows, discarded, misfits)


def _stage_beside(
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


def _move(connection: Connection, staging: Table, table: Table, derived: Mapping[str, str]) -> None:
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
