"""Converts entries of the catalog to the dictionaries of SQLAlchemy's reflection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from sqlalchemy import VARCHAR, Integer, Sequence
from sqlalchemy.engine.interfaces import (
    ReflectedCheckConstraint,
    ReflectedColumn,
    ReflectedForeignKeyConstraint,
    ReflectedIdentity,
    ReflectedIndex,
    ReflectedPrimaryKeyConstraint,
    ReflectedUniqueConstraint,
)
from sqlalchemy.schema import conv
from sqlalchemy.sql.compiler import IdentifierPreparer

from mixpanel_data.dialect.reflection.catalog import Entry
from mixpanel_data.dialect.sql.ddl import next_value
from mixpanel_data.dialect.sql.names import sequence_name, spell
from mixpanel_data.dialect.sql.parsing import (
    ColumnDefinition,
    parse_columns,
    parse_type,
    unquote,
    without_parentheses,
)

if TYPE_CHECKING:
    from typing_extensions import NotRequired

_NEXTVAL = re.compile(r"(?:\w+\.)*nextval\('(?:[^']|'')+'\)")

# DuckDB replaces the names of constraints, and two checks of one column get the same. With None, a
# naming convention applies, and the constraint can be recreated anywhere.
_NO_NAME = None


#: How DuckDB 1.5 writes the defaults ``true`` and ``false``.
_BOOLEANS = {"CAST('t' AS BOOLEAN)": "true", "CAST('f' AS BOOLEAN)": "false"}

#: The options of a sequence that was made without any.
_PLAIN = {"start": 1, "increment": 1, "minvalue": 1, "maxvalue": 2**63 - 1, "cycle": False}

#: What DuckLake has as the default of a column without one.
_NO_DEFAULT = "NULL"


class DuckDBColumn(ReflectedColumn):
    """A reflected column.

    Attributes:
        duckdb_type: DuckDB's text of the type, such as ``DECIMAL(10,2)``.
        info: For ``Column.info``; absent if it would be empty.
    """

    duckdb_type: str
    info: NotRequired[dict[str, str]]


def columns(entry: Entry, schema: str | None, preparer: IdentifierPreparer) -> list[DuckDBColumn]:
    """Return the columns of a table or view, in order."""
    # Only this text contains collations and, in DuckDB 1.5, generated columns.
    definitions = {} if entry.is_view or entry.sql is None else parse_columns(entry.sql)
    found = [_column(detail, definitions.get(detail["column_name"])) for detail in entry.details]
    for column, detail in zip(found, entry.details, strict=True):
        options = detail.get("sequence") or _PLAIN
        if options == _PLAIN:
            continue
        own = Sequence(sequence_name(entry.name, column["name"]), schema=schema)
        if column["default"] == next_value(own, preparer):
            column["default"] = None
            column["identity"] = cast("ReflectedIdentity", {"always": False, **options})
    return found


def _column(detail: dict[str, Any], definition: ColumnDefinition | None) -> DuckDBColumn:
    default = _BOOLEANS.get(detail["column_default"], detail["column_default"])
    if default == _NO_DEFAULT:
        default = None
    column: DuckDBColumn = {
        "name": detail["column_name"],
        "type": parse_type(detail["data_type"], detail["column_name"]),
        "duckdb_type": detail["data_type"],
        "nullable": detail["is_nullable"],
        "default": default,
        "comment": detail["comment"],
    }
    column["autoincrement"] = (
        isinstance(column["type"], Integer) and _NEXTVAL.fullmatch(default or "") is not None
    )
    if definition is not None and definition.collation is not None:
        column["type"] = VARCHAR(collation=definition.collation)
    if definition is not None and definition.compression is not None:
        column["info"] = {"duckdb_compression": definition.compression}
    if definition is not None and definition.computed is not None:
        column["default"] = None
        column["computed"] = {"sqltext": definition.computed, "persisted": False}
    return column


def primary_key(entry: Entry, unenforced: Mapping[str, str]) -> ReflectedPrimaryKeyConstraint:
    """Return the primary key of a table, empty if there is none.

    Args:
        entry: The table.
        unenforced: The key columns of tables whose catalog has no keys.
    """
    names = [name for detail in entry.details for name in _constrained_columns(detail)]
    if entry.name in unenforced and not (entry.is_view or entry.is_temporary):
        names = [unenforced[entry.name]]
    return {"constrained_columns": names, "name": _NO_NAME}


def foreign_keys(entry: Entry, schema: str | None) -> list[ReflectedForeignKeyConstraint]:
    """Return the foreign keys of a table; in DuckDB they stay inside one schema."""
    return [
        {
            "name": _NO_NAME,
            "constrained_columns": _constrained_columns(detail),
            "referred_schema": schema,
            "referred_table": detail["referred_table"],
            "referred_columns": [
                spell(name, detail["referred_columns"])
                for name in detail["referenced_column_names"]
            ],
            "options": {},
        }
        for detail in entry.details
    ]


def unique_constraints(entry: Entry) -> list[ReflectedUniqueConstraint]:
    """Return the unique constraints of a table."""
    return [
        {"name": _NO_NAME, "column_names": _constrained_columns(detail)} for detail in entry.details
    ]


def check_constraints(entry: Entry) -> list[ReflectedCheckConstraint]:
    """Return the check constraints of a table, with names.

    A naming convention cannot name a check, so SQLAlchemy refuses one without a name. They are
    named as PostgreSQL does it, ``t_a_check``, with a checksum for those that have the same name.
    """
    names = [_check_name(entry.name, detail) for detail in entry.details]
    return [
        {
            "name": conv(name if names.count(name) == 1 else f"{name}_{crc32(text.encode()):08x}"),
            "sqltext": without_parentheses(text),
        }
        for name, text in zip(
            names, (detail["expression"] for detail in entry.details), strict=True
        )
    ]


def _check_name(table: str, detail: dict[str, Any]) -> str:
    columns = set(_constrained_columns(detail))
    return "_".join([table, *(columns if len(columns) == 1 else ()), "check"])


def indexes(entry: Entry) -> list[ReflectedIndex]:
    """Return the indexes of a table, without those that serve a constraint."""
    return [_index(detail) for detail in entry.details]


def _index(detail: dict[str, Any]) -> ReflectedIndex:
    # An expression is in parentheses, which CREATE INDEX needs too.
    parts = [
        (None, part) if part.startswith("(") else (spell(unquote(part), detail["columns"]), part)
        for part in detail["expressions"]
    ]
    index: ReflectedIndex = {
        "name": detail["index_name"],
        "column_names": [column for column, _ in parts],
        "unique": detail["is_unique"],
        "dialect_options": {},
    }
    if None in index["column_names"]:
        index["expressions"] = [column or part for column, part in parts]
    return index


def _constrained_columns(detail: dict[str, Any]) -> list[str]:
    return [spell(name, detail["columns"]) for name in detail["constraint_column_names"]]
