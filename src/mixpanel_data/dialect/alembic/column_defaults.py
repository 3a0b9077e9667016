"""Compares the defaults of columns, and sets those of columns whose type is to be looked up."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Column, Connection, TextClause, inspect, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import NoSuchTableError

from mixpanel_data.dialect.sql.ddl import counts_alone, next_value, own_sequence
from mixpanel_data.dialect.sql.type_names import split_collation


def default_to_set(
    connection: Connection | None, dialect: Dialect, table: str, column: str, options: Any
) -> Any:
    """Return a default in DuckDB's words: of an array, PostgreSQL's ``{}`` is ``[]``.

    Args:
        connection: The database, which is asked for the type if that is not given; or None.
        dialect: Its dialect.
        table: Name of the table.
        column: Name of the column.
        options: What ``alter_column()`` of Alembic's implementation gets, by name.
    """
    given = options["server_default"]
    if not isinstance(given, (str, TextClause)):
        return given
    kind = options.get("type_") or options.get("existing_type")
    if kind is None and connection is not None:
        kind = _type_of(connection, table, column, options.get("schema"))
    if getattr(kind, "_type_affinity", None) is not ARRAY:
        return given
    compiler: Any = dialect.ddl_compiler
    declared: Column[Any] = Column(column, kind, server_default=given)
    sql = compiler(dialect, None).get_column_default_string(declared)
    return text(sql.replace(":", "\\:"))


def _type_of(connection: Connection, table: str, column: str, schema: str | None) -> Any:
    try:
        found = inspect(connection).get_columns(table, schema)
    except NoSuchTableError:
        return None  # DuckDB will say so
    return next((one["type"] for one in found if one["name"] == column), None)


def defaults_differ(
    connection: Connection | None, dialect: Dialect, reflected: Column[Any], model: Column[Any]
) -> bool:
    """Tell whether the defaults of two columns have different values."""
    defaults = [_default(dialect, column) for column in (reflected, model)]
    if defaults[0] == defaults[1] or _both_count(dialect, reflected, model):
        return False
    if any(default is None or "nextval(" in default for default in defaults):
        return True
    kind, _ = split_collation(dialect.type_compiler_instance.process(model.type))
    equal = " IS NOT DISTINCT FROM ".join(f"CAST({default} AS {kind})" for default in defaults)
    return connection is None or not connection.exec_driver_sql(f"SELECT {equal}").scalar()


def _both_count(dialect: Dialect, reflected: Column[Any], model: Column[Any]) -> bool:
    """Tell whether both have autoincrement; the sequence may have the name of another table.

    ``ALTER TABLE … RENAME`` does not rename it.
    """
    if model.table is None or own_sequence(model, dialect.identifier_preparer) is None:
        return False
    default: Any = reflected.server_default
    return default is not None and counts_alone(str(default.arg), reflected.name)


def _default(dialect: Dialect, column: Column[Any]) -> str | None:
    preparer = dialect.identifier_preparer
    sequence = None if column.table is None else own_sequence(column, preparer)
    if sequence is not None:
        return next_value(sequence, preparer)
    new: Any = dialect.ddl_compiler
    default: str | None = new(dialect, None).get_column_default_string(column)
    return default
