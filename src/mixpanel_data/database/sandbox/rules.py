"""What untrusted SQL may contain: one SELECT of what is known to be harmless.

DuckDB's own protection comes first: no external access, locked settings. It has gaps: ``COPY`` and
``read_blob`` can still use the files of the database itself, and some functions take memory
addresses. So every statement is checked before it runs: its syntax tree, as DuckDB parses it,
against the lists in :mod:`~mixpanel_data.database.sandbox.allowed`. The tree has only the names of
views and of DuckDB's macros, so their definitions are checked as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import duckdb

from mixpanel_data.common.nearest import did_you_mean
from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.sandbox import allowed
from mixpanel_data.database.sandbox.catalog import Catalog, Relation, macros, select_of
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.scratch import scratch
from mixpanel_data.database.sandbox.tree import (
    MAX_LEVELS,
    Found,
    Node,
    RefusedError,
    TableName,
    Walk,
    parse,
    unknown_type,
)
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.exceptions import SandboxError


class Rules:
    """What a statement may contain.

    Args:
        opened: The open database.
        sandbox: The limits.
    """

    def __init__(self, opened: OpenDatabase, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.timeout = sandbox.timeout
        self._catalog = Catalog(opened)
        self._functions = frozenset(map(fold, sandbox.functions))

    def check(self, sql: str) -> None:
        """Raise unless the text is one SELECT that is known to be harmless.

        Raises:
            SandboxError: It is not; the message names what is refused.
            Error: DuckDB cannot parse it.
        """
        try:
            _check_text(sql, self.sandbox.max_sql_bytes)
            self._judge(_tree_of(sql))
        except RefusedError as error:
            text = sql.encode(errors="replace").decode()
            raise SandboxError(error.what, text, error.advice) from error

    def _judge(self, tree: Node) -> None:
        """Check a statement and the definitions behind its names."""
        walk, found = Walk(self._functions), Found()
        waiting = [(tree, "main", "")]
        while waiting:
            tree, schema, place = waiting.pop()
            try:
                new = walk.through(tree)
            except RefusedError as error:
                raise RefusedError(f"{error.what}{place}", error.advice) from error
            functions = new.functions - found.functions - self._functions
            waiting += [(each, "main", "") for each in _bodies(functions)]
            waiting += self._behind(new.tables - found.tables, schema)
            found.add(new)
        self._check_taken(found)
        self._check_columns(found)

    def _behind(self, tables: set[TableName], schema: str) -> Iterator[tuple[Node, str, str]]:
        """Yield the trees behind tables and views, each with its schema and its place in words."""
        if not tables:
            return
        for name, relations in self._catalog.relations(tables, schema).items():
            if not relations:
                advice = did_you_mean(name.name, self._catalog.own_tables())
                raise RefusedError(f"{name}, which is no table of the database", advice)
            for relation in relations:
                for sql in self._queries_of(relation):
                    kind = "view" if relation.is_view else "table"
                    place = f" in the {kind} {relation.name}"
                    yield _tree_within(sql, relation), relation.schema, place

    def _queries_of(self, relation: Relation) -> list[str]:
        if relation.is_view:
            return [select_of(relation.sql)]
        if relation.has_generated_columns:
            return [f"SELECT {sql}" for sql in self._catalog.defaults(relation)]
        return []

    def _check_taken(self, found: Found) -> None:
        """Refuse functions that are macros of the file, and types that are not on the list."""
        if not found.functions and not found.types:
            return
        own = self._catalog.names()
        if taken := found.functions & own.functions - self._functions:
            raise RefusedError(f"the function {min(taken)}(), which is a macro of the database")
        for name in found.types:
            made_of = own.types.get(name)
            if made_of not in allowed.PLAIN_TYPES if made_of else name not in allowed.TYPES:
                advice = "" if made_of else unknown_type(name)
                raise RefusedError(f"the type {name.upper()}", advice)

    def _check_columns(self, found: Found) -> None:
        """Refuse the columns of a lake's tables that are none of their own."""
        if not found.lake_columns:
            return
        for table, own in self._catalog.lake_tables({table.name for table in found.tables}):
            if lacking := found.lake_columns - own:
                advice = f"Columns of {table} are in DESCRIBE. Give others another name."
                raise RefusedError(f"the column {min(lacking)}, which tells of files", advice)


def _check_text(sql: str, max_bytes: int) -> None:
    if len(sql) > max_bytes:
        raise RefusedError(f"a text of more than {max_bytes:,} bytes")
    try:
        size = len(sql.encode())
    except UnicodeEncodeError as error:
        raise RefusedError("a text that UTF-8 cannot express") from error
    if size > max_bytes:
        raise RefusedError(f"a text of more than {max_bytes:,} bytes")
    if "\0" in sql:
        raise RefusedError("a text with the character NUL")
    if sql.count("/*") > MAX_LEVELS:  # nested ones take DuckDB 1.5 ever longer
        raise RefusedError(f"more than {MAX_LEVELS} comments")
    if _deepest(sql) > MAX_LEVELS:
        raise RefusedError(f"brackets of more than {MAX_LEVELS} levels")


def _deepest(sql: str) -> int:
    """Return how deeply brackets are nested, closed or not.

    DuckDB 2.0 takes quadratic time for brackets that are not closed.
    """
    if sum(map(sql.count, "([{")) <= MAX_LEVELS:
        return 0
    text = sql.encode()
    depth = deepest = 0
    for position, kind in duckdb.tokenize(sql):
        if kind == duckdb.token_type.operator:
            character = text[position : position + 1]
            depth = max(0, depth + (character in b"([{") - (character in b")]}"))
            deepest = max(deepest, depth)
    return deepest


def _tree_of(sql: str) -> Node:
    """Return the tree of a user's statement."""
    trees = parse(sql)
    if isinstance(trees, str):
        kind = _kind_of(sql, parses=trees != "parser")
        raise RefusedError(f"{kind} statements", allowed.INSTEAD.get(kind, ""))
    if len(trees) != 1:
        raise RefusedError("anything but one statement at a time")
    return trees[0]


#: A PIVOT, which DuckDB may turn into several statements.
_PIVOT = re.compile(r"\bPIVOT\b", re.IGNORECASE)


#: Statements that DuckDB 1.5 runs a part of when it only takes a text apart: it computes the
#: arguments of PRAGMA, and reads the files of IMPORT DATABASE.
_RUN_EARLY = re.compile(r"(?<![\w$])(?:PRAGMA|IMPORT)(?![\w$])", re.IGNORECASE | re.ASCII)


def _kind_of(sql: str, *, parses: bool) -> str:
    """Return the kind of a statement that is not a SELECT.

    Args:
        sql: The text.
        parses: Whether DuckDB can parse it. What it cannot parse, it does not take apart.

    Raises:
        Error: DuckDB cannot parse it.
    """
    if parses and (word := _RUN_EARLY.search(sql)) is not None:
        return word[0].upper()
    with scratch() as connection:
        try:
            kinds = [statement.type.name for statement in connection.extract_statements(sql)]
        except ValueError:  # the client has no name for some statements
            kinds = ["such"]
    if not kinds:
        raise RefusedError("a text without a statement")
    if len(kinds) > 1:
        # What DuckDB 1.5 makes of a PIVOT without values
        advice = allowed.INSTEAD["MULTI"] if _PIVOT.search(sql) else ""
        raise RefusedError("anything but one statement at a time", advice)
    return "such" if kinds[0] == "SELECT" else kinds[0]


def _tree_within(sql: str, relation: Relation) -> Node:
    """Return the tree of the query behind a table or view."""
    trees = _parse_again(sql)
    if isinstance(trees, str) or len(trees) != 1:
        raise RefusedError(f"{relation.name}, whose query cannot be judged")
    return trees[0]


def _bodies(functions: set[str]) -> Iterator[Node]:
    """Yield the trees of those functions that are DuckDB's macros."""
    for name in functions:
        for definition in macros().get(name, ()):
            trees = _parse_again(f"SELECT {definition}")
            if isinstance(trees, str):
                raise RefusedError(f"the function {name}()")
            yield from trees


#: The trees of views and macros; trees are never modified.
_parse_again = lru_cache(maxsize=256)(parse)
