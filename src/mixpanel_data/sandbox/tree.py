"""The syntax tree of a statement, walked node by node: what it names, or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

import orjson

from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.sandbox import allowed
from mixpanel_data.sandbox.scratch import scratch

#: How deep a tree may be, and how many nodes it may have.
MAX_LEVELS, MAX_NODES = 200, 20_000

Node = dict[str, Any]
Scope = frozenset[str]


class RefusedError(Exception):
    """Something in a tree is not allowed.

    Attributes:
        what: What it is.
        advice: What to do instead, ``""`` where nothing comes to mind.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


class TableName(NamedTuple):
    """A table or view that a statement reads, in small letters, ``""`` for what is not said."""

    catalog: str
    schema: str
    name: str

    def __str__(self) -> str:
        return ".".join(filter(None, self))


@dataclass
class Found:
    """What a tree names that only the catalog can judge, all in small letters.

    Attributes:
        tables: Tables and views.
        functions: Functions, those that DuckDB calls unasked among them.
        types: Types in casts.
    """

    tables: set[TableName] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    types: set[str] = field(default_factory=set)

    def add(self, other: Found) -> None:
        """Add what another tree names."""
        self.tables |= other.tables
        self.functions |= other.functions
        self.types |= other.types


class _Place(NamedTuple):
    """A node to be visited, with the names of CTEs that it sees."""

    node: Any
    scope: Scope
    level: int


def parse(sql: str) -> list[Node] | str:
    """Return the trees of a text's statements, or DuckDB's error where there is none.

    Raises:
        RefusedError: They are too deep to be read.
    """
    with scratch() as connection:
        ((text,),) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:  # more levels than orjson can read
        raise RefusedError(f"more than {MAX_LEVELS} levels in a statement") from error
    return str(found["error_message"]) if found["error"] else list(found["statements"])


class Walk:
    """A walk over the trees of a statement, its views and macros.

    The limits are for all of them together.

    Args:
        functions: Names of functions that are allowed besides DuckDB's.
    """

    def __init__(self, functions: frozenset[str]) -> None:
        self._own = functions
        self._nodes = 0

    def through(self, tree: Node) -> Found:
        """Return what a tree names.

        Raises:
            RefusedError: It has something that is not allowed.
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
        """Judge a node by itself; return 1 when it makes a level."""
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
        """Judge the names in a node, and note those that the catalog has to judge."""
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
            # What a table function is in the tree was judged above, by the list of its own.
            self._note_function(node, allowed.FUNCTIONS | allowed.TABLE_FUNCTIONS, found)
        elif kind == "COLUMN_REF":
            word = fold(node["column_names"][0])
            if (called := allowed.VALUE_FUNCTIONS.get(word)) is not None:
                found.functions.add(called)
        if isinstance(known := node.get("id"), str) and fold(known) not in allowed.TYPES:
            raise RefusedError(f"the type {known}")
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
    """Return what to call instead of a function that is on no list."""
    if function in allowed.REFUSED_NAMES:
        return allowed.INSTEAD.get(function, "")
    return did_you_mean(function, listed)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return advice for a name that may be a slip of the pen, ``""`` where it is like no other."""
    alike = get_close_matches(name, known, n=3)
    return f"Did you mean {' or '.join(alike)}?" if alike else ""


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
    """Yield the names of types in a node that may be types of the database."""
    if node.get("type") == "UNBOUND_TYPE_INFO":
        yield fold(node["name"])
    if isinstance(node.get("type_name"), str):
        yield fold(node["type_name"])


def _text_argument(node: Node, position: int) -> str | None:
    """Return the argument of a function, None unless it is a text as it stands."""
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
    """Yield what a node holds, each with the names of CTEs that it sees.

    A CTE sees those before it, and the query behind them all. Only the second half of a recursive
    one sees itself. A statement that is described sees none: DuckDB looks its tables up itself.
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
