"""What DuckLake tells about a lake, and its maintenance; on connections in autocommit mode."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from mixpanel_data.common.quoting import quoted
from mixpanel_data.common.times import as_utc
from mixpanel_data.dialect.lake.attaching import NAME
from mixpanel_data.types import Snapshot

_LAKE = quoted(NAME)

_SNAPSHOTS = """
    SELECT snapshot_id, snapshot_time, changes FROM ducklake_snapshots({lake}) ORDER BY snapshot_id
"""
_SIZES = """
    SELECT coalesce(sum(file_count + delete_file_count), 0),
        coalesce(sum(file_size_bytes + delete_file_size_bytes), 0)
    FROM ducklake_table_info({lake})
"""
_FILES = "SELECT data_file, delete_file FROM ducklake_list_files({lake}, {table})"

#: The schemas with tables of ours.
_TABLES = (
    "SELECT schema_name, table_name FROM system.main.duckdb_tables() "
    "WHERE database_name = system.main.current_database() ORDER BY ALL"
)


class Size(NamedTuple):
    """The size of a lake.

    Attributes:
        files: How many files its current snapshot has.
        bytes: Their bytes.
        snapshots: How many snapshots can be read.
    """

    files: int
    bytes: int
    snapshots: int


def snapshots(connection: Connection) -> list[Snapshot]:
    """Return the snapshots that can be read, oldest first."""
    return [
        Snapshot(number, as_utc(moment), dict(changes or {}))
        for number, moment, changes in connection.exec_driver_sql(_SNAPSHOTS.format(lake=_LAKE))
    ]


def size(connection: Connection) -> Size:
    """Return how large a lake is."""
    files, total = connection.exec_driver_sql(_SIZES.format(lake=_LAKE)).one()
    return Size(int(files), int(total), len(snapshots(connection)))


def files(connection: Connection, table: str) -> list[tuple[str, str | None]]:
    """Return the Parquet files of a table, each with the file of its deleted rows, if any."""
    rows = connection.exec_driver_sql(_FILES.format(lake=_LAKE, table=quoted(table)))
    return [(data, deleted) for data, deleted in rows]


def tables(connection: Connection) -> Iterator[tuple[str, str]]:
    """Return the schema and the name of every table."""
    return ((schema, name) for schema, name in connection.exec_driver_sql(_TABLES))


def merge_files(connection: Connection, schema: str, table: str) -> int:
    """Write the files of a table anew without deleted rows, and merge small ones.

    Returns:
        How many files others took the place of.
    """
    place = f"{_LAKE}, {quoted(table)}, schema => {quoted(schema)}"
    rewritten = _call(connection, f"ducklake_rewrite_data_files({place}, delete_threshold => 0)")
    merged = _call(connection, f"ducklake_merge_adjacent_files({place})")
    return sum(row.files_processed for row in [*rewritten, *merged])


def expire_snapshots(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Make the snapshots before a moment unreadable, but never the last one; return how many."""
    return len(_call(connection, f"ducklake_expire_snapshots({_LAKE}, {_when(before, dry_run)})"))


def delete_old_files(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Delete the files that no snapshot has needed since a moment; return how many."""
    return len(_call(connection, f"ducklake_cleanup_old_files({_LAKE}, {_when(before, dry_run)})"))


def delete_orphaned_files(connection: Connection, before: datetime, *, dry_run: bool) -> int:
    """Delete the files of before a moment that no snapshot ever knew; return how many."""
    call = f"ducklake_delete_orphaned_files({_LAKE}, {_when(before, dry_run)})"
    return len(_call(connection, call))


def _when(before: datetime, dry_run: bool) -> str:  # noqa: FBT001 (of this module only)
    moment = f"CAST({quoted(before.isoformat())} AS TIMESTAMPTZ)"
    return f"dry_run => {str(dry_run).lower()}, older_than => {moment}"


def _call(connection: Connection, call: str) -> list[Any]:
    return list(connection.exec_driver_sql(f"CALL {call}"))
