"""Create and drop tables, safe from concurrent writers; the caller's transaction commits.

DuckDB decides whether a name is free and whether two writers conflict. If the library checked
first, another connection could take the name in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlalchemy import Column, Connection, Integer, MetaData, Table, delete, inspect
from sqlalchemy.schema import CreateTable, DropTable

from mixpanel_data.exceptions import (
    QueryError,
    TableExistsError,
    TableNotFoundError,
    WriteConflictError,
)
from mixpanel_data.schema import catalog
from mixpanel_data.schema.tables import METADATA_TABLE


@contextmanager
def claim_table_name(name: str) -> Iterator[None]:
    """Report a transaction conflict as a conflict over a table.

    The first statement of a transaction that changes the table or its metadata belongs in here.

    Raises:
        WriteConflictError: Another connection is changing the same table.
    """
    try:
        yield
    except QueryError as error:
        if isinstance(error.__cause__, duckdb.TransactionException):
            raise WriteConflictError(name) from error.__cause__
        raise


def create_table(connection: Connection, table: Table) -> None:
    """Create a table.

    Raises:
        TableExistsError: A table or view of that name exists.
        WriteConflictError: Another connection is changing the same table.
    """
    with claim_table_name(table.name):
        try:
            connection.execute(CreateTable(table))
        except QueryError as error:
            if isinstance(error.__cause__, duckdb.CatalogException):
                raise TableExistsError(table.name) from error.__cause__
            raise


def require_free_name(connection: Connection, name: str) -> str:
    """Make sure that an unmanaged table of this name can be created.

    Returns:
        The name, quoted for SQL.

    Raises:
        TableExistsError: A table or view of that name exists.
        WriteConflictError: Another connection is changing the same table.
    """
    probe = Table(name, MetaData(), Column("_", Integer))
    create_table(connection, probe)
    with claim_table_name(name):
        connection.execute(DropTable(probe))
    if inspect(connection).has_table(METADATA_TABLE.name):
        delete_metadata(connection, name)
    return str(connection.dialect.identifier_preparer.quote(name))


def drop_table(connection: Connection, name: str) -> None:
    """Drop a table of the user with its metadata.

    Raises:
        TableNotFoundError: There is no such table.
        WriteConflictError: Another connection is changing the same table.
    """
    found = catalog.find_table(connection, name)
    if found is None:
        raise TableNotFoundError(name)
    with claim_table_name(found):
        if inspect(connection).has_table(METADATA_TABLE.name):
            delete_metadata(connection, found)
        connection.execute(DropTable(Table(found, MetaData())))


def delete_metadata(connection: Connection, name: str) -> None:
    """Delete the metadata of a table, if any.

    A table that was dropped in SQL leaves its metadata behind.
    """
    connection.execute(delete(METADATA_TABLE).where(METADATA_TABLE.c.table_name == name))
