"""Create and drop tables, safe from concurrent writers; the caller's transaction commits.

DuckDB decides whether a name is free and whether two writers conflict. If the library checked
first, another connection could take the name in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    distinct,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.schema import CreateTable, DropTable

from mixpanel_data.exceptions import (
    QueryError,
    TableExistsError,
    TableShapeError,
    WriteConflictError,
)
from mixpanel_data.schema import catalog, fences, metadata_rows
from mixpanel_data.schema.tables import (
    ABOUT_TABLES,
    METADATA_TABLE,
    key_of,
    managed_columns,
    managed_table,
)
from mixpanel_data.types import TableMetadata, TableType

#: What DuckDB calls the types of our columns.
_TYPE_NAMES: dict[type, str] = {String: "VARCHAR", DateTime: "TIMESTAMP", JSON: "JSON"}

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


def adopt_table(connection: Connection, name: str, metadata: TableMetadata) -> None:
    """Record a table that has the columns of an events or profiles table as one.

    What may be NULL in it becomes what may be in others.

    Args:
        connection: Connection with a transaction open, the internal tables there.
        name: Its name, in any case.
        metadata: How its rows were fetched.

    Raises:
        TableNotFoundError: There is no such table.
        TableExistsError: It is a managed table already.
        TableShapeError: Its columns are others, or what is in them, or cannot become NOT NULL.
    """
    found = catalog.find_table(connection, name)
    if found is None:
        raise catalog.not_found(connection, name)
    if found in catalog.managed_tables(connection):
        raise TableExistsError(
            found, "It is an events or profiles table already, so there is nothing to adopt."
        )
    _require_columns(connection, found, metadata.type)
    table = managed_table(metadata.type, found)
    rows = _count_valid(connection, table)
    _alter_nullability(connection, table)
    delete_metadata(connection, found)
    metadata_rows.record(connection, found, metadata, rows)


def _require_columns(connection: Connection, name: str, kind: TableType) -> None:
    expected = {column.name: _TYPE_NAMES[type(column.type)] for column in managed_columns(kind)}
    found = {column.name: column.type for column in catalog.get_schema(connection, name).columns}
    if found != expected:
        wanted = ", ".join(f"{column} {type_}" for column, type_ in expected.items())
        had = ", ".join(f"{column} {type_}" for column, type_ in found.items())
        raise TableShapeError(name, f"has the columns {had}. {kind.capitalize()} have {wanted}.")


def _count_valid(connection: Connection, table: Table) -> int:
    """Return the number of rows.

    Raises:
        TableShapeError: A row cannot be one of the table.
    """
    count = func.system.main.count
    key = key_of(table)
    required = [column for column in table.columns if not column.nullable]
    counts = [count(column).label(column.name) for column in required]
    rows = func.system.main.count_star().label("rows")
    kind = func.system.main.json_type(table.c.properties)
    counts.append(count(kind).filter(kind.not_in(["OBJECT", "NULL"])).label("others"))
    found = connection.execute(select(rows, count(distinct(key)).label("keys"), *counts)).one()
    for column in required:
        if getattr(found, column.name) < found.rows:
            missing = found.rows - getattr(found, column.name)
            problem = f"has {missing} rows without {column.name!r}. Fill it, or delete them."
            raise TableShapeError(table.name, problem)
    if found.keys < found.rows:
        problem = f"has {found.rows - found.keys} rows whose {key.name!r} another row has."
        raise TableShapeError(table.name, f"{problem} Delete them.")
    if found.others:
        problem = f"has {found.others} rows whose 'properties' are no JSON object."
        raise TableShapeError(table.name, f"{problem} Make them objects, or delete them.")
    return int(found.rows)


def _alter_nullability(connection: Connection, table: Table) -> None:
    """Let the columns of a table be NULL, or not, as they are declared.

    Raises:
        TableShapeError: Something that depends on the table prevents it.
        WriteConflictError: Another connection is changing the table.
    """
    quote = connection.dialect.identifier_preparer.quote
    for found in catalog.get_schema(connection, table.name).columns:
        wanted = table.c[found.name].nullable
        if found.nullable == wanted:
            continue
        change = f"ALTER COLUMN {quote(found.name)} {'DROP' if wanted else 'SET'} NOT NULL"
        try:
            with claim_table_name(table.name):
                connection.exec_driver_sql(f"ALTER TABLE {quote(table.name)} {change}")
        except QueryError as error:
            raise TableShapeError(
                table.name,
                f"has a column {found.name!r} that may{' not' if wanted else ''} be NULL, and "
                f"DuckDB cannot alter that: {error.message} Drop its indexes and what refers to "
                "it, adopt the table, and create them again.",
            ) from error.__cause__


def delete_metadata(connection: Connection, name: str) -> None:
    """Delete the metadata of a table, if any.

    A table that was dropped in SQL leaves its metadata behind.
    """
    for table in ABOUT_TABLES:
        connection.execute(delete(table).where(table.c.table_name == name))
