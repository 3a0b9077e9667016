"""Taking and freeing the names of tables. Of two transactions at one name, one gets an error."""

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
    """Raise ``WriteConflictError`` where another transaction got the table first."""
    try:
        yield
    except QueryError as error:
        if isinstance(error.__cause__, duckdb.TransactionException):
            raise WriteConflictError(name) from error.__cause__
        raise


def create_or_refuse(connection: Connection, table: Table) -> None:
    """Create a table.

    Raises:
        TableExistsError: A table or view of that name exists.
    """
    try:
        connection.execute(CreateTable(table))
    except QueryError as error:
        if isinstance(error.__cause__, duckdb.CatalogException):
            raise TableExistsError(table.name) from error.__cause__
        raise


def forget_metadata(connection: Connection, name: str) -> None:
    """Delete what is recorded about a table."""
    connection.execute(delete(METADATA_TABLE).where(METADATA_TABLE.c.table_name == name))


def require_free_name(connection: Connection, name: str) -> str:
    """Make sure that a table can be made that is not managed; the caller commits.

    Returns:
        The name for SQL.

    Raises:
        TableExistsError: A table or view of that name exists.
        WriteConflictError: Another connection is at the same table.
    """
    table = Table(name, MetaData(), Column("_", Integer))
    with claim_table_name(name):
        create_or_refuse(connection, table)  # that the name is free, the database decides
        connection.execute(DropTable(table))
    if inspect(connection).has_table(METADATA_TABLE.name):
        forget_metadata(connection, name)
    return str(connection.dialect.identifier_preparer.quote(name))


def drop(connection: Connection, name: str) -> None:
    """Drop a table of the user with its metadata; the caller commits.

    Raises:
        TableNotFoundError: There is no such table.
        WriteConflictError: Another connection is at the same table.
    """
    found = catalog.find_table(connection, name)
    if found is None:
        raise TableNotFoundError(name)
    with claim_table_name(found):
        if inspect(connection).has_table(METADATA_TABLE.name):
            forget_metadata(connection, found)
        connection.execute(DropTable(Table(found, MetaData())))
