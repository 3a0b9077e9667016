"""Delete rows of managed tables, and correct their metadata; the caller's transaction commits."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    String,
    Table,
    any_,
    bindparam,
    delete,
    func,
    select,
)

from mixpanel_data.schema import catalog, metadata_rows
from mixpanel_data.schema.table_lifecycle import claim_table_name
from mixpanel_data.schema.tables import managed_table


def delete_people(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Delete the rows of some distinct ids from every managed table.

    Returns:
        How many rows of each table were deleted, by its name.

    Raises:
        WriteConflictError: Another connection is changing one of the tables.
    """
    # One list as the parameter: the statement stays the same, however many there are.
    wanted = bindparam("ids", list(ids), ARRAY(String))
    deleted = {}
    for name, kind in catalog.managed_tables(connection).items():
        table = managed_table(kind, name)
        deleted[name] = _delete(connection, table, table.c.distinct_id == any_(wanted))
    return deleted


def delete_before(connection: Connection, name: str, moment: datetime) -> int:
    """Delete the events before a moment, and take their days out of the recorded range.

    Args:
        connection: Connection with a transaction open.
        name: The table, in any case.
        moment: Naive UTC. Events at this moment stay.

    Returns:
        How many events were deleted.

    Raises:
        TableNotFoundError: There is no managed table of that name.
        ValueError: It holds profiles.
        WriteConflictError: Another connection is changing the table.
    """
    found = catalog.find_metadata(connection, name)
    if found.type != "events":
        raise ValueError(f"{found.table_name} holds {found.type}. Name a table of events.")
    table = managed_table("events", found.table_name)
    dates = _dates_from(moment.date(), found.from_date, found.to_date)
    return _delete(connection, table, table.c.event_time < moment, dates)


def _delete(
    connection: Connection,
    table: Table,
    condition: ColumnElement[bool],
    dates: dict[str, date | None] | None = None,
) -> int:
    total = func.system.main.count_star()
    count = select(total).select_from(table)
    removed = connection.scalar(count.where(condition)) or 0
    left = count.scalar_subquery() - removed
    with claim_table_name(table.name):  # also where nothing is deleted: a load may be adding it
        metadata_rows.change(connection, table.name, left, **(dates or {}))
        if removed:
            connection.execute(delete(table).where(condition))
    return int(removed)


def _dates_from(
    first: date, from_date: date | None, to_date: date | None
) -> dict[str, date | None]:
    """Return the range of dates without what is before a day; none where nothing is left."""
    if to_date is not None and to_date < first:
        return {"from_date": None, "to_date": None}
    return {"from_date": from_date and max(from_date, first)}
