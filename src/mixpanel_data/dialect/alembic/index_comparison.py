"""Compares the indexes of models with those of the database as DuckDB reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alembic.ddl._autogen import ComparisonResult  # returned by a public method
from sqlalchemy import Connection, Index, TextClause, text

from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.indexes import index_parts
from mixpanel_data.dialect.sql.names import fold

_PARSE = text(qualify_builtins("SELECT CAST(json_serialize_sql(:sql) AS VARCHAR)"))

#: What differs between equal expressions: where they stand, and what the other members say, too.
_IGNORED = {"query_location", "query_location_length", "alias", "qualified_name", "is_operator"}

#: Members with the place of a function; DuckDB adds that of its own ones.
_PLACES = {"catalog": ("", "system"), "schema": ("", "main")}

#: Members with names that DuckDB reads in any case.
_NAMES = {"column_names", "function_name", "type_name"}


def compare(connection: Connection, model: Index, reflected: Index) -> ComparisonResult:
    """Tell whether two indexes differ; DuckDB keeps neither an order nor where NULLs come."""
    found = []
    if bool(model.unique) is not bool(reflected.unique):
        found.append(f"unique={bool(reflected.unique)} to unique={bool(model.unique)}")
    compiler: Any = connection.dialect.ddl_compiler
    process = compiler(connection.dialect, None).sql_compiler.process
    # The text of the catalog is no template for parameters.
    parts = [
        part.text if isinstance(part, TextClause) else process(part, include_table=False)
        for part in list[Any](reflected.expressions)
    ]
    texts = [", ".join(texts) for texts in (parts, index_parts(model, process))]
    table = "" if model.table is None else model.table.name
    if _trees(connection, texts[0], table) != _trees(connection, texts[1], table):
        found.append(f"expressions {texts[0]} to {texts[1]}")
    return ComparisonResult.Different(found) if found else ComparisonResult.Equal()


def _trees(connection: Connection, expressions: str, table: str) -> Any:
    """Return the syntax trees of expressions with an order, or a text that is none."""
    sql = f"SELECT 1 ORDER BY {expressions}"
    parsed = json.loads(connection.execute(_PARSE, {"sql": sql}).scalar_one())
    if parsed["error"]:
        return expressions
    (statement,) = parsed["statements"]
    (order,) = statement["node"]["modifiers"]
    return [_bare(part["expression"], fold(table)) for part in order["orders"]]


def _bare(tree: Any, table: str) -> Any:
    """Return a syntax tree without what differs between equal expressions."""
    if isinstance(tree, dict):
        return {
            name: _folded(value, table) if name in _NAMES else _bare(value, table)
            for name, value in tree.items()
            if name not in _IGNORED and value not in _PLACES.get(name, ())
        }
    if isinstance(tree, list):
        return [_bare(item, table) for item in tree]
    return tree


def _folded(names: str | Sequence[str], table: str) -> Any:
    """Return names in one case; those of a column without its table."""
    if isinstance(names, str):
        return fold(names)
    folded = [fold(name) for name in names]
    return folded[1:] if len(folded) > 1 and folded[0] == table else folded
