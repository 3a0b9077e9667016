"""Walks the syntax tree of a statement: collects the names in it, or refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from mixpanel_data.common.nearest import did_you_mean
from mixpanel_data.database.sandbox import allowed
from mixpanel_data.database.sandbox.scratch import scratch
from mixpanel_data.dialect.sql.names import fold

#: The limits of a tree: its depth, and the number of its nodes.
MAX_LEVELS, MAX_NODES = 200, 20_000

Node = dict[str, Any]
Scope = frozenset[str]


class RefusedError(Exception):
    """Something in a tree is not allowed.

    Attributes:
        what: What is refused.
        advice: What to do instead, or ``""``.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


class TableName(NamedTuple):
    """A table or view that a statement reads, in lower case; missing parts are ``""``."""

    catalog: str
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(filter(None, self))


@dataclass
class Found:
    """Names in a tree that have to be looked up in the catalog, all in lower case.

    Attributes:
        tables: Tables and views.
        functions: Functions, including those that DuckDB calls implicitly.
        types: Types in casts.
        lake_columns: Those of the columns that tables of a lake have beside their own.
    """

    tables: set[TableName] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)
    lake_columns: set[str] = field(default_factory=set)

    def add(self, other: Found) -> None:
        """Add the names in another tree."""
        self.tables |= other.tables
        self.functions |= other.functions
        self.types |= other.types
        self.lake_columns |= other.lake_columns


class _Place(NamedTuple):
    """A node to visit, with the names of the CTEs in its scope."""

    node: Any
    scope: Scope
    level: int


def parse(sql: str) -> list[Node] | str:
    """Return the syntax trees of SQL statements, or the kind of DuckDB's error.

    Raises:
        RefusedError: They are nested too deeply to be read.
    """
    with scratch() as connection:
        ((text,),) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:  # more levels than orjson can read
        raise RefusedError(f"more than {MAX_LEVELS} levels in a statement") from error
    return str(found["error_type"]) if found["error"] else list(found["statements"])


class Walk:
    """A walk over the trees of a statement, its views and its macros.

    The limits apply to all of them together.

    Args:
        functions: Names of functions that are allowed besides DuckDB's.
    """

    def __init__(self, functions: frozenset[str]) -> None:
        self._own = functions
        self._nodes = 0

    def through(self, tree: Node) -> Found:
        """Return the names in a tree.

        Raises:
            RefusedError: It contains something that is not allowed.
        """
        found = Found()
        places = [_Place(tree, frozenset(), 0)]
        while places:
            node, scope, level = places.pop()
            if isinstance(node, list):
                places.extend(_Place(child, scope, level) for child in node)
            elif isinstance(node, dict):
                level += self._check(node, level, found)
                self._note(node, scope, found)
                places.extend(_Place(child, seen, level) for child, seen in _children(node, scope))
        return found

    def _check(self, node: Node, level: int, found: Found) -> int:
        """Check a node without its names; return 1 if it adds a level."""
        for member, value in node.items():
            if member not in allowed.MEMBERS and _is_set(value):
                raise RefusedError(f"{member.upper()} in a {_kind(node) or 'statement'}")
        if (kind := _kind(node)) is None:
            return 0
        if kind not in allowed.KINDS or node.get("class", "STAR") not in allowed.CLASSES:
            raise RefusedError(f"{kind} within a statement")
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise RefusedError(f"more than {MAX_NODES:,} nodes in a statement")
        if level >= MAX_LEVELS or len(node.get("column_names", ())) > MAX_LEVELS:
            raise RefusedError(f"more than {MAX_LEVELS} levels in a statement")
        found.functions.update(allowed.IMPLIED.get(kind, ()))
        return 1

    def _note(self, node: Node, scope: Scope, found: Found) -> None:
        """Check the names in a node, and collect those to look up in the catalog."""
        kind = _kind(node)
        if kind == "BASE_TABLE":
            name = _table_of(node)
            if name.catalog or name.schema or name.name not in scope:
                found.tables.add(name)
        elif kind == "SHOW_REF":
            self._note_shown(node, found)
        elif kind == "TABLE_FUNCTION":
            self._note_function(node["function"], allowed.TABLE_FUNCTIONS, found)
        elif "function_name" in node:
            # This may be the call inside a table function, already checked against its own list.
            self._note_function(node, allowed.FUNCTIONS | allowed.TABLE_FUNCTIONS, found)
        elif kind == "COLUMN_REF":
            word = fold(node["column_names"][0])
            if (called := allowed.VALUE_FUNCTIONS.get(word)) is not None:
                found.functions.add(called)
        for member in ("column_names", "using_columns"):
            names = filter(lambda name: isinstance(name, str), node.get(member) or ())
            found.lake_columns.update(allowed.LAKE_COLUMNS.intersection(map(fold, names)))
        if isinstance(known := node.get("id"), str) and fold(known) not in allowed.TYPES:
            raise RefusedError(f"the type {known}", unknown_type(known))
        found.types.update(_types_of(node))

    def _note_shown(self, node: Node, found: Found) -> None:
        name = _table_of(node)
        if name.name and node["show_type"] == "SHOW":
            found.tables.add(name)
        elif name.name and name.name.strip('"') not in allowed.SHOWN:
            raise RefusedError(f"SHOW {name.name}")

    def _note_function(self, node: Node, listed: frozenset[str], found: Found) -> None:
        if "function_name" not in node:  # in DuckDB 1.5 a cast: FROM date(1)
            raise RefusedError(f"{_kind(node) or 'an expression'} as a table")
        name = fold(node["function_name"])
        if name not in listed and name not in self._own:
            raise RefusedError(f"the function {name}()", _advice(name, listed))
        if name in allowed.NAMED and name not in self._own:
            position, names = allowed.NAMED[name]
            argument = _text_argument(node, position)
            if argument is None or fold(argument) not in names:
                raise RefusedError(f"the function {name}() of {argument or 'an expression'}")
        found.functions.add(name)


def _advice(function: str, listed: frozenset[str]) -> str:
    """Return what to call instead of a function that is not allowed."""
    if function in allowed.REFUSED_NAMES:
        return allowed.INSTEAD.get(function, "")
    meant = did_you_mean(function, listed)
    if function in _names_in_duckdb("function"):
        return meant
    return f"DuckDB itself has no function of this name. {meant}".rstrip()


def unknown_type(name: str) -> str:
    """Return what to say of a type that is not allowed, for there may be none of that name."""
    return "" if fold(name) in _names_in_duckdb("type") else "DuckDB has no type of this name."


_NAMES = {
    "function": "SELECT function_name FROM duckdb_functions()",
    "type": "SELECT type_name FROM duckdb_types()",
}


@lru_cache(maxsize=len(_NAMES))
def _names_in_duckdb(kind: Literal["function", "type"]) -> frozenset[str]:
    with scratch() as connection:
        rows = connection.execute(_NAMES[kind]).fetchall()
    return frozenset(fold(name) for (name,) in rows)


def _kind(node: Node) -> str | None:
    kind = node.get("type")
    return kind if isinstance(kind, str) else None


def _is_set(value: object) -> bool:
    return value is not None and value is not False and value not in ("", [], {}, 0)


def _table_of(node: Node) -> TableName:
    if len((node.get("qualified_name") or {}).get("path", ())) > 3:
        raise RefusedError("a name of more than three parts")
    catalog, schema = node.get("catalog_name") or "", node.get("schema_name") or ""
    return TableName(fold(catalog), fold(schema), fold(node["table_name"]))


def _types_of(node: Node) -> Iterator[str]:
    """Yield the type names in a node that may be user-defined."""
    if node.get("type") == "UNBOUND_TYPE_INFO":
        yield fold(node["name"])
    if isinstance(node.get("type_name"), str):
        yield fold(node["type_name"])


def _text_argument(node: Node, position: int) -> str | None:
    """Return the argument of a function, None unless it is a string literal."""
    arguments = node.get("arguments") or node.get("children") or []
    if position >= len(arguments):
        return None
    argument = arguments[position].get("expression", arguments[position])
    if argument.get("class") != "CONSTANT":
        return None
    literal = argument.get("literal")
    text = literal.get("text") if literal else argument["value"].get("value")
    return text if isinstance(text, str) else None


def _children(node: Node, scope: Scope) -> Iterator[tuple[Any, Scope]]:
    """Yield the children of a node, each with the names of the CTEs in its scope.

    A CTE sees those before it, and the main query sees all. Only the second half of a recursive CTE
    sees itself. A statement in DESCRIBE sees none: DuckDB looks up its tables itself.
    """
    entries = (node.get("cte_map") or {}).get("map", ())
    for entry in entries:
        yield entry["value"], scope
        scope |= {fold(entry["key"])}
    recursive = {fold(node["cte_name"])} if node.get("type") == "RECURSIVE_CTE_NODE" else set()
    for member, child in node.items():
        if member == "cte_map" or not isinstance(child, (dict, list)):
            continue
        if node.get("type") == "SHOW_REF":
            yield child, frozenset()
        elif member == "right":
            yield child, scope | recursive
        else:
            yield child, scope
