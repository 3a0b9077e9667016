r"""The SQL that makes a property column of a document, and finds out which type one should have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Double,
    String,
    Table,
    distinct,
    func,
    literal_column,
    select,
)
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect.sql.builtin import BUILTIN, qualify_builtins
from mixpanel_data.dialect.sql.derived import DOCUMENT, derived_column
from mixpanel_data.dialect.sql.json_paths import path_literal
from mixpanel_data.types import PropertyColumn, PropertyType

#: Type of a column that is made with its table and names none.
DEFAULT_TYPE: PropertyType = "VARCHAR"

#: Key of ``Column.info``: the property column that a column is.
PROPERTY_COLUMN = "mixpanel_data_property_column"

#: Types that hold every value.
HOLD_ALL: frozenset[PropertyType] = frozenset({"VARCHAR", "JSON"})

_TYPES: dict[PropertyType, Callable[[], TypeEngine[Any]]] = {
    "VARCHAR": String,
    "BIGINT": BigInteger,
    "DOUBLE": Double,
    "BOOLEAN": Boolean,
    "TIMESTAMP": DateTime,
    "JSON": JSON,
}

# Of {text}, the value as `properties->>'$."name"'` gives it: a number, or a text that spells one,
# but nothing that would be rounded. Times without a zone are in UTC.
_CONVERSIONS: dict[PropertyType, str] = {
    "VARCHAR": "{text}",
    "BIGINT": r"""CASE WHEN regexp_full_match({text}, '-?[0-9]+(\.0+)?')
        THEN TRY_CAST({text} AS BIGINT) END""",
    "DOUBLE": r"""CASE
        WHEN regexp_full_match({text}, '-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?')
        AND isfinite(TRY_CAST({text} AS DOUBLE)) THEN TRY_CAST({text} AS DOUBLE) END""",
    "BOOLEAN": "CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END",
    "TIMESTAMP": r"""CASE
        WHEN regexp_full_match({text}, '-?[0-9]{{1,11}}(\.[0-9]{{1,6}})?')
        THEN make_timestamp(
            CAST(replace(CAST(CAST({text} AS DECIMAL(17, 6)) AS VARCHAR), '.', '') AS BIGINT))
        WHEN regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ].*(Z|UTC|[+-][0-9:]+)')
        THEN timezone('UTC', TRY_CAST({text} AS TIMESTAMPTZ))
        WHEN regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ].*)?')
        THEN TRY_CAST({text} AS TIMESTAMP) END""",
    "JSON": "CASE WHEN {text} IS NOT NULL THEN json_extract({document}, {path}) END",
}


def sql_column(column: PropertyColumn) -> Column[Any]:
    """Declare the column, filled by every INSERT and UPDATE of the documents."""
    name, kind = column.column_name, column.type or DEFAULT_TYPE

    def make(document: str) -> str:
        return expressions([column], document)[name]

    declared = derived_column(name, _TYPES[kind](), DOCUMENT, make, (column.property, kind))
    declared.info[PROPERTY_COLUMN] = column
    return declared


def expressions(columns: Sequence[PropertyColumn], document: str = DOCUMENT) -> dict[str, str]:
    """Return the SQL of the value of each column, by its name.

    Args:
        columns: The columns.
        document: SQL of the document.
    """
    found = texts(columns, document)
    return {
        column.column_name: qualify_builtins(_CONVERSIONS[column.type or DEFAULT_TYPE]).format(
            text=text, document=document, path=path_literal([column.property])
        )
        for column, text in zip(columns, found, strict=True)
    }


def texts(columns: Sequence[PropertyColumn], document: str = DOCUMENT) -> list[str]:
    """Return the SQL of each property as text.

    All have the same subexpression, which DuckDB evaluates once: it parses a document once,
    however many columns there are.
    """
    return _elements(_list("json_extract_string", columns, document), len(columns))


def _list(function: str, columns: Sequence[PropertyColumn], document: str) -> str:
    paths = ", ".join(path_literal([column.property]) for column in columns)
    return f"{BUILTIN}{function}({document}, {BUILTIN}list_value({paths}))"


def _elements(list_: str, count: int) -> list[str]:
    return [f"{BUILTIN}list_extract({list_}, {place})" for place in range(1, count + 1)]


# Which type one value calls for. WIDE is an integer that a DOUBLE would round. Of DuckDB's types of
# JSON values, DOUBLE includes integers beyond 64 bits.
_KIND = qualify_builtins(r"""
    CASE {type}
    WHEN 'BOOLEAN' THEN 'BOOLEAN'
    WHEN 'OBJECT' THEN 'JSON'
    WHEN 'ARRAY' THEN 'JSON'
    WHEN 'DOUBLE' THEN CASE
        WHEN regexp_full_match({text}, '-?[0-9]+') THEN 'VARCHAR'
        WHEN isfinite(TRY_CAST({text} AS DOUBLE)) THEN 'DOUBLE'
        ELSE 'VARCHAR' END
    WHEN 'BIGINT' THEN CASE
        WHEN TRY_CAST({text} AS BIGINT) BETWEEN -9007199254740992 AND 9007199254740992
        THEN 'BIGINT' ELSE 'WIDE' END
    WHEN 'UBIGINT' THEN CASE
        WHEN TRY_CAST({text} AS BIGINT) IS NULL THEN 'VARCHAR'
        WHEN TRY_CAST({text} AS BIGINT) <= 9007199254740992 THEN 'BIGINT' ELSE 'WIDE' END
    WHEN 'VARCHAR' THEN 'VARCHAR'
    END
""")

# What values of several kinds have in common; text in all other cases.
_COMMON: dict[frozenset[str], PropertyType] = {
    frozenset({"BOOLEAN"}): "BOOLEAN",
    frozenset({"JSON"}): "JSON",
    frozenset({"BIGINT"}): "BIGINT",
    frozenset({"WIDE"}): "BIGINT",
    frozenset({"BIGINT", "WIDE"}): "BIGINT",
    frozenset({"DOUBLE"}): "DOUBLE",
    frozenset({"BIGINT", "DOUBLE"}): "DOUBLE",
}


def common_types(
    connection: Connection, table: Table, columns: Sequence[PropertyColumn]
) -> list[PropertyType]:
    """Return for each property the type that holds all its values without changing one."""
    if not columns:
        return []
    # In a subquery: DuckDB evaluates what is inside of a CASE for each one anew.
    lists: list[ColumnElement[Any]] = [
        literal_column(_list("json_type", columns, DOCUMENT)).label("types"),
        literal_column(_list("json_extract_string", columns, DOCUMENT)).label("texts"),
    ]
    rows = select(*lists).select_from(table).subquery()
    kinds: list[ColumnElement[str]] = [
        literal_column(_KIND.format(type=type_, text=text))
        for type_, text in zip(
            _elements("types", len(columns)), _elements("texts", len(columns)), strict=True
        )
    ]
    found = [func.system.main.list(distinct(kind)) for kind in kinds]
    (row,) = connection.execute(select(*found).select_from(rows))
    return [_COMMON.get(frozenset(filter(None, values or ())), DEFAULT_TYPE) for values in row]
