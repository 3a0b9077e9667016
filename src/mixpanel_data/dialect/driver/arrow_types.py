"""Types of results that DuckDB cannot give to Arrow, and the types that stand in for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from duckdb import DuckDBPyRelation

from mixpanel_data.common.quoting import quoted

#: Words in the name of a type. Only the name of a member is quoted and has a space behind it.
_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*" ?|\w+""")

_UNTYPED = '"NULL"'


def renamed(kind: str, stand_ins: Mapping[str, str]) -> str:
    """Return the name of a type with other types in it, at any depth.

    Example:
        >>> renamed('STRUCT(a DATE, "DATE" DATE[])', {"DATE": "TIME"})
        'STRUCT(a TIME, "DATE" TIME[])'
    """
    return _WORDS.sub(lambda found: stand_ins.get(found[0], found[0]), kind)


def typed_nulls(kind: str) -> str:
    """Return the name of a type with integers for NULL in nested types, as DuckDB 1.5 has them.

    In Arrow, 2.0 counts them wrongly. With a NULL among the keys of a map, Arrow ends the process.
    """
    return kind if kind == _UNTYPED else renamed(kind, {_UNTYPED: "INTEGER"})


def fit_for_arrow(relation: DuckDBPyRelation) -> DuckDBPyRelation:
    """Return a relation with :func:`typed_nulls`."""
    return cast_columns(relation, [typed_nulls(str(kind)) for kind in relation.types])


def cast_columns(relation: DuckDBPyRelation, kinds: Sequence[str]) -> DuckDBPyRelation:
    """Return a relation with columns of other types, under their names."""
    found = [*map(str, relation.types)]
    if found == list(kinds):
        return relation
    columns = zip(relation.columns, found, kinds, strict=True)
    return relation.project(
        ", ".join(
            (f"#{number}" if kind == told else f"CAST(#{number} AS {told})")
            + f" AS {quoted(name, chr(34))}"
            for number, (name, kind, told) in enumerate(columns, 1)
        )
    )
