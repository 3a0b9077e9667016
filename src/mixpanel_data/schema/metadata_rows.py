"""Metadata of tables as rows of the internal table, and what becomes of it when rows are added.

Where the catalog has keys, a table has one row, which is updated. In a lake, two loads that update
would conflict, even those of different tables: there every load inserts a row of its own, and
whoever reads merges them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from functools import reduce
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from mixpanel_data.schema.row_positions import ROWID
from mixpanel_data.schema.tables import METADATA_TABLE
from mixpanel_data.types import TableMetadata, TableType


@dataclass(frozen=True)
class Recorded:
    """The metadata of a table.

    Attributes:
        table_name: The table, as the catalog spells it.
        type: Its type.
        fetched_at: When the last rows were fetched, naive UTC.
        from_date: The first day of the range.
        to_date: The last day of the range.
        filter_events: The events that were fetched, None for all.
        filter_where: The filter that they were fetched with, None for none.
    """

    table_name: str
    type: TableType
    fetched_at: datetime
    from_date: Any
    to_date: Any
    filter_events: list[str] | None
    filter_where: str | None


_NAMES = [field.name for field in fields(Recorded)]


def read(connection: Connection, name: str) -> Recorded | None:
    """Return the metadata of a table, None where there is none.

    Args:
        connection: Connection to a database at head.
        name: The table, as the catalog spells it.
    """
    columns = METADATA_TABLE.c
    rows = select(*(columns[column] for column in _NAMES)).where(columns.table_name == name)
    return _of_rows(connection.execute(rows.order_by(ROWID)))


def _of_rows(rows: Iterable[Row[Any]]) -> Recorded | None:
    found = [Recorded(**row._mapping) for row in rows]
    return reduce(_followed, found) if found else None


def _followed(before: Recorded, later: Recorded) -> Recorded:
    merged = merge_metadata(before, vars(later))
    return Recorded(before.table_name, before.type, **merged)


def record(connection: Connection, name: str, metadata: TableMetadata, row_count: int) -> None:
    """Record a table that has no metadata."""
    values = metadata_row(metadata) | {"table_name": name, "row_count": row_count}
    connection.execute(insert(METADATA_TABLE).values(values))


def extend(connection: Connection, before: Recorded, metadata: TableMetadata) -> None:
    """Merge the metadata of rows that are being added with that of their table.

    The first statement of a load that changes something: it claims the row.
    """
    if connection.dialect.supports_keys:  # type: ignore[attr-defined]
        merged = merge_metadata(before, metadata_row(metadata))
        connection.execute(update(METADATA_TABLE).where(_of(before.table_name)).values(merged))
    else:
        record(connection, before.table_name, metadata, 0)


def set_row_count(connection: Connection, table: Table) -> None:
    """Record how many rows a table has; in a lake, where loads would conflict, nobody does."""
    if connection.dialect.supports_keys:  # type: ignore[attr-defined]
        total = select(func.system.main.count_star()).select_from(table).scalar_subquery()
        own_row = _of(table.name)
        connection.execute(update(METADATA_TABLE).where(own_row).values(row_count=total))


def change(connection: Connection, name: str, row_count: Any, **values: Any) -> None:
    """Change the metadata of a table.

    Args:
        connection: Connection with a transaction open.
        name: The table, as the catalog spells it.
        row_count: How many rows it has, or SQL for that.
        values: Columns with their new values.
    """
    if connection.dialect.supports_keys:  # type: ignore[attr-defined]
        changed = update(METADATA_TABLE).where(_of(name))
        connection.execute(changed.values(row_count=row_count, **values))
    elif values:
        merge(connection, name, **values)


def merge(connection: Connection, name: str, **values: Any) -> None:
    """Put one row in the place of all rows of a table in a lake.

    Args:
        connection: Connection with a transaction open.
        name: The table, as the catalog spells it.
        values: Columns with new values.
    """
    if (found := read(connection, name)) is not None:
        connection.execute(delete(METADATA_TABLE).where(_of(name)))
        row = {**vars(found), **values, "row_count": 0}
        connection.execute(insert(METADATA_TABLE).values(row))


def compact(connection: Connection, name: str) -> None:
    """Merge the rows of a table in a lake, if there are several."""
    rows = select(func.system.main.count_star()).where(_of(name)).select_from(METADATA_TABLE)
    if connection.scalars(rows).one() > 1:
        merge(connection, name)


def _of(name: str) -> Any:
    return METADATA_TABLE.c.table_name == name


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


def merge_metadata(before: Recorded, new: dict[str, Any]) -> dict[str, Any]:
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
