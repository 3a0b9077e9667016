"""Create, append, drop: each within the caller's transaction, the table's metadata included.

Rows land in a table without a key and are made unique there. Only then does the key come, or do
the rows move into the table that has one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Table,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.schema import AddConstraint, CreateTable, DropTable

from mixpanel_data.exceptions import MetadataError
from mixpanel_data.ingest.deduplication import DuplicateCounts, drop_repeated, make_unique, report
from mixpanel_data.ingest.insert_stream import Batches, insert_batches
from mixpanel_data.ingest.json_validation import refuse_missing_documents
from mixpanel_data.ingest.key_filter import DeferredRows, KeyFilter
from mixpanel_data.schema import catalog
from mixpanel_data.schema.table_lifecycle import claim_table_name, create_table, delete_metadata
from mixpanel_data.schema.tables import METADATA_TABLE, key_of, without_key
from mixpanel_data.types import OnConflict, TableMetadata

Progress = Callable[[int], object]

#: Where appended rows land first. Temporary tables are seen by one connection only.
LANDING = "_landing"


@dataclass(frozen=True)
class Load:
    """What is to be loaded, and how.

    Attributes:
        table: Declaration of the table.
        batches: The rows; consumed once.
        metadata: What to record about them.
        on_conflict: What to do with rows of the same key.
        progress: Called with the rows so far, after each batch.
        budget: Keeps DuckDB's memory low while rows land.
    """

    table: Table
    batches: Batches
    metadata: TableMetadata
    on_conflict: OnConflict
    progress: Progress | None
    budget: Callable[[], AbstractContextManager[None]]


def create(connection: Connection, load: Load, *, primary_key: bool) -> int:
    """Create a managed table with its rows and metadata; the caller commits.

    Args:
        connection: Connection with a transaction open.
        load: The rows and their table.
        primary_key: Put the constraint on the key column.

    Returns:
        The number of rows in the table.

    Raises:
        TableExistsError: A table or view of that name exists. Nothing was consumed.
        WriteConflictError: Another connection is at the same table.
        RecordError: A record cannot be stored.
    """
    table = load.table
    compression = catalog.document_compression(connection)
    landing = without_key(table, table.name, compression=compression)
    create_table(connection, landing)
    sieve = KeyFilter(load.batches, None if load.on_conflict == "error" else key_of(table).name)
    progress = load.progress
    _stage(connection, load, sieve, landing, progress and (lambda _: progress(sieve.rows)))
    if sieve.held is None:
        dropped = drop_repeated(connection, landing, table, load.on_conflict)
    elif sieve.held.rows:
        with load.budget():  # all keys are read, which DuckDB would keep in memory
            dropped = _merge(connection, load, sieve.held)
    else:
        dropped = DuplicateCounts()
    report(table, dropped)
    rows = sieve.rows - dropped.rows
    if primary_key:
        connection.execute(AddConstraint(table.primary_key))
    delete_metadata(connection, table.name)  # a table dropped behind our back has left its metadata
    recorded = {**_recorded(load.metadata), "table_name": table.name, "row_count": rows}
    connection.execute(insert(METADATA_TABLE).values(recorded))
    return rows


def append(connection: Connection, load: Load) -> int:
    """Add rows to a managed table and widen its metadata; the caller commits.

    Args:
        connection: Connection with a transaction open.
        load: The rows and their table, under any case of its name.

    Returns:
        The number of rows by which the table grew.

    Raises:
        TableNotFoundError: There is no managed table of that name. Nothing was consumed.
        MetadataError: The table is of the other type. Nothing was consumed.
        WriteConflictError: Another connection is at the same table. Nothing was consumed.
        RecordError: A record cannot be stored.
    """
    table, metadata = load.table, load.metadata
    before = catalog.find_metadata(connection, table.name)
    if before.type != metadata.type:
        raise MetadataError("type", f"is {metadata.type!r}, but {table.name} holds {before.type}.")
    own_row = METADATA_TABLE.c.table_name == before.table_name
    with claim_table_name(table.name):
        widened = _merge_metadata(before, _recorded(metadata))
        connection.execute(update(METADATA_TABLE).where(own_row).values(widened))
    source = KeyFilter(load.batches, None)
    dropped = _merge(connection, load, source, load.progress)
    report(table, dropped)
    total = select(func.system.main.count_star()).select_from(table).scalar_subquery()
    connection.execute(update(METADATA_TABLE).where(own_row).values(row_count=total))
    return source.rows - dropped.rows


def _merge(
    connection: Connection,
    load: Load,
    source: KeyFilter | DeferredRows,
    progress: Progress | None = None,
) -> DuplicateCounts:
    """Add rows to a table that has rows already."""
    landing = without_key(load.table, LANDING, prefixes=["TEMPORARY"])
    connection.execute(CreateTable(landing))
    _stage(connection, load, source, landing, progress)
    dropped = make_unique(connection, landing, load.table, load.on_conflict)
    connection.execute(insert(load.table).from_select(landing.c.keys(), select(landing)))
    connection.execute(DropTable(landing))
    return dropped


def _stage(
    connection: Connection,
    load: Load,
    source: KeyFilter | DeferredRows,
    landing: Table,
    progress: Progress | None,
) -> None:
    """Fill an empty table."""
    with load.budget():
        insert_batches(connection, landing, source, progress)
    if source.expressions:
        refuse_missing_documents(connection, landing, source.index_of)


def _recorded(metadata: TableMetadata) -> dict[str, Any]:
    """Return the metadata as columns of the internal table."""
    return {
        "type": metadata.type,
        "fetched_at": metadata.fetched_at.replace(tzinfo=None),
        "from_date": metadata.from_date and date.fromisoformat(metadata.from_date),
        "to_date": metadata.to_date and date.fromisoformat(metadata.to_date),
        "filter_events": metadata.filter_events,
        "filter_where": metadata.filter_where,
    }


def _merge_metadata(before: Row[Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that covers what a table had and what is added to it.

    A day that is unknown does not narrow the range. A filter that is missing means everything, so
    the union of a filter with none is none.
    """
    events, where = None, None
    if before.filter_events is not None and new["filter_events"] is not None:
        events = list(dict.fromkeys([*before.filter_events, *new["filter_events"]]))
    if before.filter_where is not None and new["filter_where"] is not None:
        where = _combine_filters(before.filter_where, new["filter_where"])
    days_from = [day for day in (before.from_date, new["from_date"]) if day]
    days_to = [day for day in (before.to_date, new["to_date"]) if day]
    return {
        "fetched_at": max(before.fetched_at, new["fetched_at"]),
        "from_date": min(days_from, default=None),
        "to_date": max(days_to, default=None),
        "filter_events": events,
        "filter_where": where,
    }


def _combine_filters(one: str, other: str) -> str:
    """Join two Mixpanel filter expressions, unless the first covers the second already."""
    if other == one or f"({other})" in one:
        return one
    return f"({one}) or ({other})"
