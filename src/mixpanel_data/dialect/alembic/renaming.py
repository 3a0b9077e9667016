"""Renames tables with what belongs to them.

DuckDB's ``ALTER TABLE … RENAME`` (seen with 1.5.5 and 2.0.1) refuses a table with an index. It
leaves the sequence of an autoincrement column its old name, under which a new table would share it.
And the table that a foreign key refers to keeps the old name of the other one: DuckDB can neither
delete its rows any more nor drop it. Such a table is copied.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, Identity, MetaData, Table, inspect
from sqlalchemy.exc import InvalidRequestError

from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.dialect.alembic.rebuilding import index_after, replace
from mixpanel_data.dialect.alembic.references import referring_tables, require_unreferred
from mixpanel_data.dialect.reflection.catalog import read_sequence_options
from mixpanel_data.dialect.sql.ddl import next_value, own_sequence, sequence_of
from mixpanel_data.dialect.sql.names import fold


def rename_by_copy(connection: Connection, old: str, new: str, schema: str | None) -> bool:
    """Rename a table by a copy, unless DuckDB can do it, and tell whether it was necessary.

    Args:
        connection: Connection with a transaction open.
        old: Name of the table.
        new: The new name.
        schema: Its schema.

    Raises:
        InvalidRequestError: Foreign keys refer to the table, or there is a sequence of the name
            that an autoincrement column needs.
    """
    inspector = inspect(connection)
    if fold(old) not in map(fold, inspector.get_table_names(schema)):
        return False  # a temporary table, or none at all, as DuckDB will say
    require_unreferred(old, referring_tables(inspector, schema).get(fold(old), []), "renamed")
    indexes = inspector.get_indexes(old, schema)
    table = Table(old, MetaData(), schema=schema, autoload_with=connection)
    preparer = connection.dialect.identifier_preparer
    counting = [column for column in table.columns if own_sequence(column, preparer) is not None]
    if not (indexes or counting or table.foreign_key_constraints):
        return False
    made = table.to_metadata(table.metadata, name=new)
    made.indexes.clear()  # their names are not free yet
    for column in counting:
        made.c[column.name].server_default = _successor(connection, column, made)
    replace(connection, table, made)
    for index in indexes:
        connection.exec_driver_sql(index_after(connection, made, index, Changes()))
    return True


def _successor(connection: Connection, column: Column[Any], made: Table) -> Identity:
    """Return what makes a sequence that counts on where that of a column has come to."""
    preparer = connection.dialect.identifier_preparer
    sequence, successor = sequence_of(column.table, column.name), sequence_of(made, column.name)
    if inspect(connection).has_sequence(successor.name, schema=made.schema):
        raise InvalidRequestError(
            f"Table {made.name!r} needs a sequence {successor.name!r}, and there is one already. "
            "Drop it, or take another name for the table."
        )
    value = connection.exec_driver_sql(f"SELECT {next_value(sequence, preparer)}").scalar_one()
    options = read_sequence_options(connection, sequence.name, made.schema)
    return Identity(start=value, **options)
