"""Indexes in DDL, and the options of constructs that are meant for PostgreSQL.

As other dialects do, this one ignores ``postgresql_…`` arguments, so that a model or a migration
serves both. It warns where a table then accepts, or keeps, other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

from sqlalchemy import ColumnClause, Index, TextClause, UnaryExpression, literal_column
from sqlalchemy.sql import operators
from sqlalchemy.util import warn

#: The kinds of indexes that DuckDB and its extensions have.
_METHODS = {"ART", "HNSW", "RTREE"}

_ORDERS: dict[Any, str] = {
    operators.asc_op: "ASC",
    operators.desc_op: "DESC",
    operators.nulls_first_op: "NULLS FIRST",
    operators.nulls_last_op: "NULLS LAST",
}

_REASONS = {
    "where": "it has no partial indexes, so no two rows may have the same values",
    "nulls_not_distinct": "two NULLs are different values",
    "inherits": "the table has its own columns and rows only",
    "on_commit": "a temporary table keeps its rows until the connection is closed",
    "using": "the values are cast to the new type",
}


def warn_of_ignored(what: str, option: str) -> None:
    """Warn that an option of PostgreSQL, which changes what is stored, is ignored.

    Args:
        what: The construct that has it.
        option: The option, without its prefix.
    """
    warn(f"DuckDB ignores postgresql_{option} of {what}: {_REASONS[option]}.")


def postgresql_option(item: Any, name: str) -> Any:
    """Return an option of an index, a constraint or a table; None if it has not been set."""
    return item.dialect_kwargs.get(f"postgresql_{name}")


def plain_index(index: Index, process: Callable[..., str]) -> Index:
    """Return an index as DuckDB can create it, without the options of PostgreSQL.

    ``postgresql_using`` and ``postgresql_with`` stay if they name a kind of index that DuckDB or
    an extension has.

    Args:
        index: The index, which is not changed.
        process: Compiles an expression.
    """
    if index.unique:
        for option in ("where", "nulls_not_distinct"):
            value = postgresql_option(index, option)
            if value is not None and value is not False:
                warn_of_ignored(f"unique index {index.name!r}", option)
    plain: Any = copy(index)
    plain.dialect_options = Index(None).dialect_options
    plain.expressions = [literal_column(part) for part in index_parts(index, process)]
    if str(postgresql_option(index, "using")).upper() in _METHODS:
        options = plain.dialect_options["postgresql"]
        options.update({name: postgresql_option(index, name) for name in ("using", "with")})
    made: Index = plain
    return made


def index_parts(index: Index, process: Callable[..., str]) -> list[str]:
    """Return the SQL of the columns and expressions of an index."""
    return [_part(expression, process) for expression in index.expressions]


def _part(expression: Any, process: Callable[..., str]) -> str:
    if isinstance(expression, UnaryExpression) and expression.modifier in _ORDERS:
        return f"{_part(expression.element, process)} {_ORDERS[expression.modifier]}"
    sql = process(expression, include_table=False, literal_binds=True)
    is_plain = isinstance(expression, ColumnClause | TextClause)
    return sql if is_plain else f"({sql})"  # DuckDB 1.5 needs these around CASE
