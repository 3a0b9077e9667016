"""How the files of a table in a lake are laid out: partitioned and sorted by time."""

from __future__ import annotations

from sqlalchemy import Connection, Table

from mixpanel_data.dialect.lake.definition import Partition

#: The expressions of a partition; those before make it unique.
_PARTS: dict[Partition, tuple[str, ...]] = {
    "year": ("year",),
    "month": ("year", "month"),
    "day": ("year", "month", "day"),
}

_TIME = "event_time"


def lay_out(connection: Connection, table: Table, partition_by: Partition | None) -> None:
    """Partition and sort the files of a new events table, so that ranges of time read few of them.

    Args:
        connection: Connection with a transaction open, the one that created the table.
        table: The table.
        partition_by: What to partition it by, None for nothing.
    """
    if _TIME not in table.c:
        return
    name = connection.dialect.identifier_preparer.quote(table.name)
    if partition_by is not None:
        parts = ", ".join(f"{part}({_TIME})" for part in _PARTS[partition_by])
        connection.exec_driver_sql(f"ALTER TABLE {name} SET PARTITIONED BY ({parts})")
    connection.exec_driver_sql(f"ALTER TABLE {name} SET SORTED BY ({_TIME})")
