"""DuckDB's relations as Arrow, without what gets lost on the way.

DuckDB hands out integers of 128 bits as decimals of 38 digits, unsigned ones with the wrong sign,
and times of day without their offset.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa
from sqlalchemy import JSON, Column, DateTime, Table

from mixpanel_data.common.quoting import quoted
from mixpanel_data.schema.tables import IDENTIFIER

#: Stands for text that is an integer of any size.
INTEGER_TEXT = pa.decimal256(76, 0)

_INTEGERS = {"hugeint", "uhugeint", "bignum"}
_AS_TEXT = {*_INTEGERS, "time with time zone"}


def without_loss(relation: duckdb.DuckDBPyRelation, table: Table) -> duckdb.DuckDBPyRelation:
    """Return a relation with text in the place of what Arrow has no type for.

    Args:
        relation: The relation.
        table: The table it is for.
    """
    casts = {}
    for name, kind in zip(relation.columns, relation.types, strict=True):
        wanted = _type_without_loss(kind)
        if wanted != str(kind) and name in table.columns and _takes_text(table.columns[name], kind):
            casts[name] = wanted
    if not casts:
        return relation
    names = {name: quoted(name, '"') for name in relation.columns}
    return relation.project(
        ", ".join(
            f"CAST({cell} AS {casts[name]}) AS {cell}" if name in casts else cell
            for name, cell in names.items()
        )
    )


def _takes_text(column: Column[Any], kind: Any) -> bool:
    if isinstance(column.type, DateTime):
        return bool(kind.id == "uhugeint")  # digits without a sign are a time, too
    return isinstance(column.type, JSON) or IDENTIFIER in column.info


def _type_without_loss(kind: Any) -> str:
    """Return DuckDB's name of a type that Arrow can express; the same where it can."""
    if kind.id in _AS_TEXT:
        return "VARCHAR"
    if kind.id == "struct":
        members = [
            f"{quoted(name, chr(34))} {_type_without_loss(of)}" for name, of in kind.children
        ]
        wanted = f"STRUCT({', '.join(members)})"
    elif kind.id == "map":
        wanted = f"MAP({', '.join(_type_without_loss(of) for _, of in kind.children)})"
    elif kind.id == "list":
        wanted = f"{_type_without_loss(kind.children[0][1])}[]"
    elif kind.id == "array":
        (_, of), (_, size) = kind.children
        wanted = f"{_type_without_loss(of)}[{size}]"
    else:
        return str(kind)
    return wanted if _has_loss(kind) else str(kind)


def _has_loss(kind: Any) -> bool:
    if kind.id not in ("struct", "map", "list", "array"):
        return kind.id in _AS_TEXT
    children = kind.children[:1] if kind.id == "array" else kind.children
    return any(_has_loss(of) for _, of in children)


def integers_named(kind: pa.DataType, given: Any) -> pa.DataType:
    """Return an Arrow type with :data:`INTEGER_TEXT` where DuckDB has integers.

    Args:
        kind: Arrow's type of a column of :func:`without_loss`.
        given: DuckDB's type of that column before.
    """
    if given.id in _INTEGERS:
        return INTEGER_TEXT
    if given.id == "struct":
        inner = [
            integers_named(field.type, of)
            for field, (_, of) in zip(kind, given.children, strict=True)
        ]
        return pa.struct(list(map(pa.Field.with_type, kind, inner)))
    if given.id == "map":
        return pa.map_(kind.key_type, integers_named(kind.item_type, given.children[1][1]))
    if given.id in ("list", "array"):
        return pa.list_(integers_named(kind.value_type, given.children[0][1]))
    return kind
