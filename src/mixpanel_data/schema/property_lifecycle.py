"""Add property columns to tables, drop them, fill them anew; the caller's transaction commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlalchemy import Connection, Table, delete
from sqlalchemy.exc import InvalidRequestError

from mixpanel_data.exceptions import PropertyColumnError, TableShapeError
from mixpanel_data.schema import catalog, property_columns
from mixpanel_data.schema.property_sql import common_types, expressions, sql_column
from mixpanel_data.schema.table_lifecycle import claim_table_name
from mixpanel_data.schema.tables import PROPERTY_COLUMNS_TABLE, STALE_COLUMNS_TABLE, managed_table
from mixpanel_data.types import PropertyColumn


def add(
    connection: Connection, name: str, columns: Iterable[PropertyColumn | str]
) -> list[PropertyColumn]:
    """Add property columns to a managed table, and fill them.

    Args:
        connection: Connection with a transaction open.
        name: Name of the table, in any case.
        columns: The columns.

    Returns:
        The columns as they are recorded, with names and types.

    Raises:
        TableNotFoundError: There is no such table of ours.
        PropertyColumnError: A property has a column already, or cannot have such a one.
        WriteConflictError: Another connection is changing the same table.
    """
    from mixpanel_data.dialect.alembic.altering import alter_tables
    from mixpanel_data.dialect.alembic.changes import Changes

    found = catalog.find_metadata(connection, name)
    table_name = found.table_name
    existing = property_columns.find(connection, table_name)
    names = [column.name for column in catalog.get_schema(connection, table_name).columns]
    wanted = property_columns.resolved(found.type, columns, beside=names)
    for column in wanted:
        if any(other.property == column.property for other in existing):
            raise PropertyColumnError(column.property, f"has a column in {table_name!r} already.")
    typed = _with_types(connection, managed_table(found.type, table_name), wanted)
    if not typed:
        return []
    changes = Changes()
    values = expressions(typed)
    for column in typed:
        changes.add_column(sql_column(column), fill=values[column.column_name])
    with claim_table_name(table_name):
        property_columns.record(connection, table_name, typed)
        alter_tables(connection, [table_name], changes, set())
    return [replace(column, name=column.column_name) for column in typed]


def drop(connection: Connection, name: str, properties: Iterable[PropertyColumn | str]) -> None:
    """Drop the columns of properties; the documents keep the values.

    Args:
        connection: Connection with a transaction open.
        name: Name of the table, in any case.
        properties: The properties.

    Raises:
        TypeError: It is one text, not a list.
        TableNotFoundError: There is no such table of ours.
        PropertyColumnError: A property has no column.
        TableShapeError: An index or a foreign key keeps DuckDB from dropping a column.
        WriteConflictError: Another connection is changing the same table.
    """
    from mixpanel_data.dialect.alembic.altering import alter_tables
    from mixpanel_data.dialect.alembic.changes import Changes

    if isinstance(properties, (str, PropertyColumn)):
        raise TypeError(f"properties is {properties!r}. Use a list of them.")
    table_name = catalog.find_metadata(connection, name).table_name
    existing = {column.property: column for column in property_columns.find(connection, table_name)}
    changes = Changes()
    for entry in properties:
        wanted = entry.property if isinstance(entry, PropertyColumn) else entry
        if wanted not in existing:
            known = ", ".join(map(repr, existing)) or "none"
            raise PropertyColumnError(
                wanted, f"has no column in {table_name!r}. Those that have one: {known}."
            )
        changes.drop_column(existing[wanted].column_name)
    if not changes.dropped:
        return
    with claim_table_name(table_name):
        for recorded in (PROPERTY_COLUMNS_TABLE, STALE_COLUMNS_TABLE):
            connection.execute(
                delete(recorded).where(
                    recorded.c.table_name == table_name,
                    recorded.c.column_name.in_(changes.dropped),
                )
            )
        try:
            alter_tables(connection, [table_name], changes, set())
        except InvalidRequestError as error:
            raise TableShapeError(table_name, f"keeps its columns: {error}") from error


def refresh(connection: Connection, name: str) -> int:
    """Fill the property columns of a managed table where they are not what the documents say.

    None is marked stale afterwards.

    Returns:
        The number of rows that changed.

    Raises:
        TableNotFoundError: There is no such table of ours.
        WriteConflictError: Another connection is changing the same table.
    """
    found = catalog.find_metadata(connection, name)
    columns = property_columns.find(connection, found.table_name)
    with claim_table_name(found.table_name):
        marks = STALE_COLUMNS_TABLE
        connection.execute(delete(marks).where(marks.c.table_name == found.table_name))
        return property_columns.refresh(connection, found.type, found.table_name, columns)


def drift(connection: Connection) -> list[str]:
    """Return a sentence for each property column that is marked, or not what the documents say."""
    kinds = catalog.managed_tables(connection)
    found = []
    for name, columns in property_columns.find_all(connection, kinds).items():
        counts = property_columns.count_differing(connection, kinds[name], name, columns)
        for column in columns:
            count = counts[column.column_name]
            if column.stale or count:
                found.append(
                    f"Column {column.column_name!r} of table {name!r} is "
                    f"{'marked as stale, and ' if column.stale else ''}not what properties say in "
                    f"{count} rows: refresh_property_columns({name!r}) fills it."
                )
    return found


def _with_types(
    connection: Connection, table: Table, columns: Sequence[PropertyColumn]
) -> list[PropertyColumn]:
    """Return the columns; those without a type get the one that all their values have."""
    untyped = [column for column in columns if column.type is None]
    types = dict(zip(untyped, common_types(connection, table, untyped), strict=True))
    return [replace(column, type=column.type or types[column]) for column in columns]
