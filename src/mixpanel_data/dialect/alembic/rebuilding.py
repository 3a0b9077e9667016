"""Recreate a table with changes, and fill it from the old one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Constraint,
    DefaultClause,
    ForeignKeyConstraint,
    Identity,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.dialect.alembic.file_layout import lay_out_like
from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.ddl import keep_counting
from mixpanel_data.dialect.sql.names import mentions
from mixpanel_data.dialect.sql.type_names import split_collation

_IN_ORDER = qualify_builtins("SELECT current_setting('preserve_insertion_order')")


def rebuild(
    connection: Connection, table: Table, indexes: list[ReflectedIndex], changes: Changes
) -> None:
    """Replace a table by a changed one with the same rows in the same order.

    Columns are renamed last, with ``ALTER TABLE``, so DuckDB itself updates constraints that name
    them.

    Args:
        connection: Connection with a transaction open.
        table: The table, reflected.
        indexes: Its indexes.
        changes: What to change.

    Raises:
        InvalidRequestError: A key, an index or a generated column prevents the change.
    """
    recreated = [index_after(connection, table, index, changes) for index in indexes]
    _refuse_impossible(table, changes)
    made = _declared(connection, table, changes)
    made.create(connection, checkfirst=False)
    lay_out_like(connection, table, made, changes.dropped)
    values = _values(connection, table, changes)
    quote = connection.dialect.identifier_preparer.quote
    copy_rows(connection, table, made, {quote(name): sql for name, sql in values.items()})
    old, new = quote(table.name), quote(made.name)
    connection.exec_driver_sql(f"DROP TABLE {old}")
    if table.foreign_key_constraints:
        # Once more, since the tables that the keys refer to would keep the name of a renamed one.
        table.metadata.remove(table)
        replace(connection, made, made.to_metadata(table.metadata, name=table.name))
    else:
        connection.exec_driver_sql(f"ALTER TABLE {new} RENAME TO {old}")
    for name, new_name in changes.renamed.items():
        connection.exec_driver_sql(
            f"ALTER TABLE {old} RENAME COLUMN {quote(name)} TO {quote(new_name)}"
        )
    for statement in recreated:
        connection.exec_driver_sql(statement)


def copy_rows(connection: Connection, source: Table, target: Table, values: dict[str, str]) -> None:
    """Insert the rows of a table into another one, in their order.

    Args:
        connection: Connection with a transaction open.
        source: Where they come from.
        target: Where they go.
        values: Expressions over the columns of the source, by quoted column of the target.
    """
    format_table = connection.dialect.identifier_preparer.format_table
    rows = f"SELECT {', '.join(values.values())} FROM {format_table(source)}"  # noqa: S608 (SQL of a version script)
    if not connection.exec_driver_sql(_IN_ORDER).scalar():
        rows += " ORDER BY rowid"
    connection.exec_driver_sql(f"INSERT INTO {format_table(target)} ({', '.join(values)}) {rows}")


def replace(connection: Connection, table: Table, made: Table) -> None:
    """Create a table, fill it with the rows of another one, and drop that with its sequences.

    Args:
        connection: Connection with a transaction open.
        table: The table to drop.
        made: The table to create, with the same columns and another name.
    """
    made.create(connection, checkfirst=False)
    quote = connection.dialect.identifier_preparer.quote
    stored = [quote(column.name) for column in table.columns if column.computed is None]
    copy_rows(connection, table, made, dict(zip(stored, stored, strict=True)))
    table.drop(connection, checkfirst=False)


def type_of(connection: Connection, type_: TypeEngine[Any]) -> str:
    """Return a type in SQL."""
    return type_.compile(dialect=connection.dialect)


def default_of(connection: Connection, column: Column[Any]) -> str | None:
    """Return the default of a column in SQL, None when it has none."""
    compiler: Any = connection.dialect.ddl_compiler
    default: str | None = compiler(connection.dialect, None).get_column_default_string(column)
    return default


def _refuse_impossible(table: Table, changes: Changes) -> None:
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            for name in changes.dropped & set(constraint.columns.keys()):
                raise InvalidRequestError(
                    f"Column {name!r} of table {table.name!r} is part of a key. It has to stay."
                )
    for column in table.columns:
        if column.computed is not None:
            raise InvalidRequestError(
                f"Column {column.name!r} of table {table.name!r} is generated from others. "
                "Drop it, and create it again afterwards."
            )


def index_after(
    connection: Connection, table: Table, index: ReflectedIndex, changes: Changes
) -> str:
    """Return the statement that recreates an index."""
    quote = connection.dialect.identifier_preparer.quote
    columns = index["column_names"]
    parts = []
    for column, part in zip(columns, index.get("expressions", columns), strict=True):
        gone = changes.dropped if column is not None else {*changes.dropped, *changes.renamed}
        for name in gone:
            if mentions(str(part), name) if column is None else name == column:
                raise InvalidRequestError(
                    f"Index {index['name']!r} of table {table.name!r} needs column {name!r}. "
                    "Drop the index, and create it again afterwards."
                )
        parts.append(part if column is None else quote(changes.renamed.get(column, column)))
    unique = "UNIQUE " if index["unique"] else ""
    name = quote(str(index["name"]))
    place = connection.dialect.identifier_preparer.format_table(table)
    return f"CREATE {unique}INDEX {name} ON {place} ({', '.join(map(str, parts))})"


def _declared(connection: Connection, table: Table, changes: Changes) -> Table:
    """Declare the changed table under another name, with the old names of the columns."""
    kept = [column for column in table.columns if column.name not in changes.dropped]
    return Table(
        f"_rebuilt_{table.name}",
        table.metadata,
        *[_column(connection, column, changes.retyped.get(column.name)) for column in kept],
        *[_column(connection, column) for column in changes.added.values()],
        *[_constraint(constraint) for constraint in sorted(table.constraints, key=_sql)],
        comment=table.comment,
    )


def _column(
    connection: Connection, column: Column[Any], type_: TypeEngine[Any] | None = None
) -> Column[Any]:
    default: Any = column.server_default
    if isinstance(default, Identity):  # reflected
        counting = keep_counting(column, connection.dialect.identifier_preparer)
        default = None if counting is None else DefaultClause(counting)
    return Column(
        column.name,
        column.type if type_ is None else type_,
        server_default=None if default is None else default.arg,
        nullable=column.nullable,
        comment=column.comment,
        autoincrement=False,
        info=column.info if type_ is None else None,
    )


def _sql(constraint: Any) -> str:
    """Return a sort key that puts the set of constraints into a stable order."""
    return str(getattr(constraint, "sqltext", sorted(constraint.columns.keys())))


def _constraint(constraint: Any) -> Constraint:
    if isinstance(constraint, CheckConstraint):
        return CheckConstraint(constraint.sqltext)
    names = constraint.columns.keys()
    if isinstance(constraint, ForeignKeyConstraint):
        return ForeignKeyConstraint(names, [key.target_fullname for key in constraint.elements])
    made: Constraint = type(constraint)(*names)
    return made


def _values(connection: Connection, table: Table, changes: Changes) -> dict[str, str]:
    """Return the expressions that fill the new table, by column; others get their default."""
    quote = connection.dialect.identifier_preparer.quote
    values = {
        column.name: quote(column.name)
        for column in table.columns
        if column.name not in changes.dropped
    }
    for name, type_ in changes.retyped.items():
        kind, _ = split_collation(type_of(connection, type_))
        values[name] = f"CAST({quote(name)} AS {kind})"
    return values | {name: f"({sql})" for name, sql in changes.filled.items()}
