"""Fences of tables in a lake: no two loads that started from the same rows both commit.

A load into a lake compares its keys with those in the table while it has the lock of the table.
When the session of the lock dies, another load gets the lock, and neither would see the rows of the
other. So each load replaces the one row of its table's fence, and DuckLake lets only one of two
transactions do so. Every table has a fence of its own: DuckLake counts an insert and a delete in
the same table as a conflict, whatever the rows.
"""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy import Column, Connection, MetaData, String, Table, delete, insert
from sqlalchemy.schema import CreateSchema, CreateTable, DropTable

from mixpanel_data.dialect.sql.names import fold

#: The schema with the fences, each under the name of its table.
FENCES = "_mixpanel_data"


def _fence(name: str) -> Table:
    return Table(fold(name), MetaData(), Column("token", String), schema=FENCES)


def create_schema(connection: Connection) -> None:
    """Create the schema of the fences, where the catalog has no keys that do their work."""
    if not connection.dialect.supports_keys:  # type: ignore[attr-defined]
        connection.execute(CreateSchema(FENCES, if_not_exists=True))


def pass_fence(connection: Connection, name: str) -> None:
    """Replace the row of a table's fence; of two transactions that do so, one cannot commit."""
    fence = _fence(name)
    connection.execute(CreateTable(fence, if_not_exists=True))
    connection.execute(delete(fence))
    connection.execute(insert(fence).values(token=uuid4().hex))


def drop_fence(connection: Connection, name: str) -> None:
    """Drop the fence of a table that is dropped or renamed, if there is one."""
    if not connection.dialect.supports_keys:  # type: ignore[attr-defined]
        connection.execute(DropTable(_fence(name), if_exists=True))
