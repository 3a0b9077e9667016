"""Load batches into a table: stage rows, discard duplicates, record metadata; the caller commits.

Rows are staged in a table without a key and deduplicated there. Only then is the key added to a new
table, or are the rows moved to the existing one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, func, insert, select, update
from sqlalchemy.schema import AddConstraint, CreateTable, DropTable

from mixpanel_data.exceptions import MetadataError
from mixpanel_data.ingest.deduplication import (
    DuplicateCounts,
    deduplicate,
    discard_repeated,
    log_duplicates,
)
from mixpanel_data.ingest.insert_stream import Batches, insert_batches
from mixpanel_data.ingest.json_validation import refuse_missing_documents
from mixpanel_data.ingest.key_filter import DeferredRows, KeyFilter
from mixpanel_data.ingest.options import LoadOptions, Progress
from mixpanel_data.schema import catalog
from mixpanel_data.schema.table_lifecycle import claim_table_name, create_table, delete_metadata
from mixpanel_data.schema.tables import METADATA_TABLE, without_key
from mixpanel_data.types import TableMetadata

#: Keeps DuckDB's memory low in a block.
Budget = Callable[[], AbstractContextManager[None]]

#: Name of the temporary table, which only the connection of the load can see.
STAGING = "_staging"


class Loaded(NamedTuple):
    """What became of the rows of a load.

    Attributes:
        rows: How many the batches had.
        discarded: How many of them, or of those in the table, another row took the place of.
    """

    rows: int
    discarded: DuplicateCounts

    @property
    def added(self) -> int:
        """The number of rows by which the table grew."""
        return self.rows - self.discarded.rows


def create(
    connection: Connection, options: LoadOptions, batches: Batches, budget: Budget
) -> Loaded:
    """Create a managed table with its rows and metadata.

    Args:
        connection: Connection with a transaction open.
        options: The table, and how to load it.
        batches: The rows; consumed once.
        budget: Holds while rows are staged.

    Raises:
        TableExistsError: A table or view of that name exists. Nothing was consumed.
        WriteConflictError: Another connection is changing the same table.
        RecordError: A record cannot be stored.
    """
    table = options.table
    target = without_key(table, table.name, compression=catalog.document_compression(connection))
    create_table(connection, target)
    is_checked = "error" in (options.on_conflict, options.on_collision)
    filtered = KeyFilter(batches, None if is_checked else options.key)
    progress = options.progress
    _stage(connection, filtered, target, budget, progress and (lambda _: progress(filtered.rows)))
    if filtered.deferred is None:
        discarded = discard_repeated(connection, target, options)
    elif filtered.deferred.rows:
        with budget():  # this reads all keys, which DuckDB would keep in memory
            discarded = _add_unique(connection, options, filtered.deferred, budget).of_one_load()
    else:
        discarded = DuplicateCounts()
    log_duplicates(options, discarded)
    loaded = Loaded(filtered.rows, discarded)
    if options.primary_key:
        connection.execute(AddConstraint(table.primary_key))
    delete_metadata(connection, table.name)
    recorded = {"table_name": table.name, "row_count": loaded.added}
    connection.execute(insert(METADATA_TABLE).values(metadata_row(options.metadata) | recorded))
    return loaded


def append(
    connection: Connection, options: LoadOptions, batches: Batches, budget: Budget
) -> Loaded:
    """Add rows to a managed table and merge its metadata.

    Args:
        connection: Connection with a transaction open.
        options: The table, under any case of its name, and how to load it.
        batches: The rows; consumed once.
        budget: Holds while rows are staged.

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
    rows = KeyFilter(batches, None)
    discarded = _add_unique(connection, options, rows, budget, options.progress)
    log_duplicates(options, discarded)
    total = select(func.system.main.count_star()).select_from(table).scalar_subquery()
    connection.execute(update(METADATA_TABLE).where(own_row).values(row_count=total))
    return Loaded(rows.rows, discarded)


def _add_unique(
    connection: Connection,
    options: LoadOptions,
    source: KeyFilter | DeferredRows,
    budget: Budget,
    progress: Progress | None = None,
) -> DuplicateCounts:
    """Add rows to a table that has rows already, by way of a staging table."""
    staging = without_key(options.table, STAGING, prefixes=["TEMPORARY"])
    connection.execute(CreateTable(staging))
    _stage(connection, source, staging, budget, progress)
    discarded = deduplicate(connection, staging, options)
    connection.execute(insert(options.table).from_select(staging.c.keys(), select(staging)))
    connection.execute(DropTable(staging))
    return discarded


def _stage(
    connection: Connection,
    source: KeyFilter | DeferredRows,
    staging: Table,
    budget: Budget,
    progress: Progress | None,
) -> None:
    """Fill an empty table."""
    with budget():
        insert_batches(connection, staging, source, progress)
    if source.expressions:
        refuse_missing_documents(connection, staging, source.index_of)


def metadata_row(metadata: TableMetadata) -> dict[str, Any]:
    """Return metadata as columns of the internal table."""
    return {
        "type": metadata.type,
        "fetched_at": metadata.fetched_at.replace(tzinfo=None),
        "from_date": metadata.from_date and date.fromisoformat(metadata.from_date),
        "to_date": metadata.to_date and date.fromisoformat(metadata.to_date),
        "filter_events": metadata.filter_events,
        "filter_where": metadata.filter_where,
    }


def merge_metadata(before: Row[Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that covers the rows of a table and those that are added.

    An unknown date does not narrow the range of dates. A missing filter means that everything was
    fetched, so the union of a filter and none is none.
    """
    events, where = None, None
    if before.filter_events is not None and new["filter_events"] is not None:
        events = list(dict.fromkeys([*before.filter_events, *new["filter_events"]]))
    if before.filter_where is not None and new["filter_where"] is not None:
        where = combine_filters(before.filter_where, new["filter_where"])
    return {
        "fetched_at": max(before.fetched_at, new["fetched_at"]),
        "from_date": min(filter(None, (before.from_date, new["from_date"])), default=None),
        "to_date": max(filter(None, (before.to_date, new["to_date"])), default=None),
        "filter_events": events,
        "filter_where": where,
    }


def combine_filters(first: str, second: str) -> str:
    """Join two Mixpanel filter expressions with "or", unless the first contains the second."""
    if second == first or f"({second})" in first:
        return first
    return f"({first}) or ({second})"
