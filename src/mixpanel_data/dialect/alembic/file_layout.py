"""How the files of a table in a lake are laid out, for the table that takes its place."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Table

from mixpanel_data.dialect.lake.attaching import METADATA
from mixpanel_data.dialect.sql.names import fold, mentions

#: The parts of a table's partitions, and what its files are sorted by, as of the last commit.
_TABLE = f"""
    FROM {METADATA}.ducklake_table JOIN {METADATA}.ducklake_schema AS s USING (schema_id)
    JOIN {METADATA}.{{info}} AS info USING (table_id)
    JOIN {METADATA}.{{parts}} AS part USING (table_id, {{key}})
"""
_CURRENT = """
    WHERE table_name = $1 AND schema_name = current_schema() AND ducklake_table.end_snapshot IS NULL
        AND s.end_snapshot IS NULL AND info.end_snapshot IS NULL
"""
_PARTITIONS = (
    "SELECT column_name, transform"
    + _TABLE.format(
        info="ducklake_partition_info", parts="ducklake_partition_column", key="partition_id"
    )
    + f"JOIN {METADATA}.ducklake_column AS c USING (table_id, column_id)"
    + _CURRENT
    + "AND c.end_snapshot IS NULL ORDER BY partition_key_index"
)
_ORDER = (
    "SELECT expression, sort_direction, replace(null_order, '_', ' ')"
    + _TABLE.format(info="ducklake_sort_info", parts="ducklake_sort_expression", key="sort_id")
    + _CURRENT
    + "ORDER BY sort_key_index"
)


def lay_out_like(
    connection: Connection, table: Table, made: Table, dropped: Collection[str]
) -> None:
    """Lay out the files of a new table like those of the table whose place it takes.

    Args:
        connection: Connection with a transaction open.
        table: The table, which was committed under its name.
        made: The new table, with no rows yet.
        dropped: The columns that it does not have any more.
    """
    if connection.dialect.supports_keys:  # type: ignore[attr-defined]
        return  # one file for all tables
    quote = connection.dialect.identifier_preparer.quote
    partitions = connection.exec_driver_sql(_PARTITIONS, (table.name,)).all()
    order = connection.exec_driver_sql(_ORDER, (table.name,)).all()
    gone = {fold(name) for name in dropped}
    if partitions and not gone & {fold(column) for column, _ in partitions}:
        parts = ", ".join(_part(quote(column), transform) for column, transform in partitions)
        connection.exec_driver_sql(f"ALTER TABLE {quote(made.name)} SET PARTITIONED BY ({parts})")
    if order and not any(mentions(key[0], name) for key in order for name in dropped):
        keys = ", ".join(" ".join(key) for key in order)
        connection.exec_driver_sql(f"ALTER TABLE {quote(made.name)} SET SORTED BY ({keys})")


def _part(column: str, transform: str) -> str:
    """Return a part of a partition in SQL: ``month(at)``, for ``bucket(8)`` ``bucket(8, id)``."""
    if transform == "identity":
        return column
    name, _, arguments = transform.partition("(")
    return f"{name}({arguments.removesuffix(')')}{', ' if arguments else ''}{column})"
