"""Create and drop tables, safe from concurrent writers; the caller's transaction commits.

DuckDB decides whether a name is free and whether two writers conflict. If the library checked
first, another connection could take the name in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    delete,
    inspect,
    update,
)
from sqlalchemy.schema import CreateTable, DropTable

from mixpanel_data.exceptions import (
    QueryError,
    TableExistsError,
    WriteConflictError,
)
from mixpanel_data.schema import catalog, fences
from mixpanel_data.schema.tables import (
    ABOUT_TABLES,
    METADATA_TABLE,
)
from mixpanel_data.types import TableType

_OTHER_NAME = "Choose another name, or drop it first, a table with drop_table()."


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


def create_table(connection: Connection, table: Table, advice: str | None = None) -> None:
    """Create a table.

    Args:
        connection: Connection with a transaction open.
        table: The table.
        advice: What to do where it exists, None if that is a matter of ``if_exists``.

    Raises:
        TableExistsError: A table or view of that name exists.
        WriteConflictError: Another connection is changing the same table.
    """
    with claim_table_name(table.name):
        try:
            connection.execute(CreateTable(table))
        except QueryError as error:
            if isinstance(error.__cause__, duckdb.CatalogException):
                raise TableExistsError(table.name, advice) from error.__cause__
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
    create_table(connection, probe, _OTHER_NAME)
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
        raise catalog.not_found(connection, name)
    with claim_table_name(found):
        if inspect(connection).has_table(METADATA_TABLE.name):
            delete_metadata(connection, found)
        connection.execute(DropTable(Table(found, MetaData())))
        fences.drop_fence(connection, found)


def drop_tables(connection: Connection, kind: TableType | None) -> list[str]:
    """Drop all managed tables, or those of one type, with their metadata.

    Returns:
        Their names, sorted.

    Raises:
        WriteConflictError: Another connection is changing one of them.
    """
    found = catalog.managed_tables(connection).items()
    names = [name for name, other in found if kind in (None, other)]
    for name in names:
        drop_table(connection, name)
    return names


def rename_table(connection: Connection, old: str, new: str) -> None:
    """Rename a table of the user, with its metadata.

    Args:
        connection: Connection with a transaction open.
        old: Its name, in any case.
        new: Its new name.

    Raises:
        TableNotFoundError: There is no such table.
        TableExistsError: Another table or view has the new name.
        QueryError: The table has indexes besides its key.
        WriteConflictError: Another connection is changing the same table.
    """
    found = catalog.find_table(connection, old)
    if found is None:
        raise catalog.not_found(connection, old)
    quote = connection.dialect.identifier_preparer.quote
    statement = f"ALTER TABLE {quote(found)} RENAME TO {quote(new)}"
    if indexes := [str(index["name"]) for index in inspect(connection).get_indexes(found)]:
        raise QueryError(
            f"Table {found!r} cannot be renamed: indexes depend on it ({', '.join(indexes)}). Drop "
            "them, rename the table, and create them again.",
            statement,
        )
    if catalog.find_table(connection, new, views=True) not in (None, found):
        raise TableExistsError(new, _OTHER_NAME)
    with claim_table_name(found):
        connection.exec_driver_sql(statement)
        fences.drop_fence(connection, found)
        if inspect(connection).has_table(METADATA_TABLE.name):
            for table in ABOUT_TABLES:
                own_rows = table.c.table_name == found
                connection.execute(update(table).where(own_rows).values(table_name=new))


def delete_metadata(connection: Connection, name: str) -> None:
    """Delete the metadata of a table, if any.

    A table that was dropped in SQL leaves its metadata behind.
    """
    for table in ABOUT_TABLES:
        connection.execute(delete(table).where(table.c.table_name == name))
