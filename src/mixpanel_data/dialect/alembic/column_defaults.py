"""New defaults of columns, which ``op.alter_column()`` has without the type of the column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ARRAY, Column, Connection, TextClause, inspect, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import NoSuchTableError


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
