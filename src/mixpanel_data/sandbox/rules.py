"""Running SQL that nobody has read: what it may contain, and for how long it may run.

DuckDB's own locks come first: no access to the outside, settings frozen. They leave gaps. The files
of the database itself stay writable for ``COPY``, DuckDB 1.5 lets a query switch on logging, and
some functions take addresses in memory. So every statement is looked at as well, and what is not
known to be harmless is refused.
"""

from __future__ import annotations

import re
from contextlib import closing
from itertools import pairwise

import duckdb

from mixpanel_data.exceptions import SandboxError
from mixpanel_data.opening import Root
from mixpanel_data.sandbox.limits import Sandbox

_READING = {"SELECT"}
_WRITING = {"INSERT", "UPDATE", "DELETE", "MERGE_INTO", "CREATE", "DROP", "ALTER"}

#: What DuckDB 2.0 may run within a SELECT: ``WITH a AS (COPY ...)``. Refused within parentheses.
_NESTED = """
    copy insert update delete merge truncate attach detach export import call install load pragma
    prepare execute create drop alter vacuum checkpoint explain
"""

#: What may be created; secrets, triggers and whatever comes later may not.
_CREATED = {"table", "view", "macro", "function", "index", "schema", "sequence", "type"}
_BEFORE_CREATED = {"create", "or", "replace", "temp", "temporary", "unique", "recursive"}

#: Functions that make rows out of nothing or out of the catalog. Every other one of DuckDB that
#: gives a table or has an effect is refused.
_HARMLESS = """
    range generate_series unnest repeat repeat_row json_each json_tree summary test_all_types error
    random uuid uuidv4 uuidv7 gen_random_uuid nextval currval setseed stats version platform
    current_query current_query_id current_connection_id current_transaction_id vector_type
    collations icu_calendar_names pg_timezone_names show show_tables show_databases table_info
    pragma_collations pragma_platform pragma_show pragma_table_info pragma_version
    duckdb_columns duckdb_constraints duckdb_databases duckdb_dependencies duckdb_functions
    duckdb_indexes duckdb_keywords duckdb_schemas duckdb_sequences duckdb_tables duckdb_types
    duckdb_views
"""
_REFUSED = {"getenv", "which_secret"}

_FUNCTIONS = """
    SELECT DISTINCT lower(function_name) FROM duckdb_functions()
    WHERE internal AND (function_type IN ('table', 'pragma') OR has_side_effects)
"""

# DuckDB reads them as spaces, its tokenizer as letters.
_SPACES = re.compile("[\u00a0\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]")
_WORD = re.compile(r'"(?:[^"]|"")*"|[A-Za-z0-9_$]+|.', re.DOTALL)


class Rules:
    """What a statement may contain.

    Args:
        root: The open database.
        sandbox: The limits.
    """

    def __init__(self, root: Root, sandbox: Sandbox) -> None:
        self._root = root
        self.timeout = sandbox.timeout
        self._kinds = _READING if sandbox.select_only else _READING | _WRITING
        with closing(root.cursor()) as cursor:
            found = {name for (name,) in cursor.execute(_FUNCTIONS).fetchall()}
        self._refused = found - set(_HARMLESS.split()) | _REFUSED

    def check(self, sql: str) -> None:
        """Raise unless the text is one statement that is known to be harmless.

        Raises:
            SandboxError: It is not; the message says what is refused.
            Error: DuckDB cannot parse it.
        """
        for text in dict.fromkeys([sql, _SPACES.sub(" ", sql)]):
            kind, words = self._kind_of(text), _words_of(text)
            if kind == "EXPLAIN":
                self.check(_explained(text, words))
            elif kind not in self._kinds:
                raise SandboxError(f"{kind} statements", sql)
            elif kind == "CREATE" and _created(words) not in _CREATED:
                raise SandboxError(f"CREATE {_created(words).upper()}", sql)
            if nested := _nested(words):
                raise SandboxError(f"{nested.upper()} within another statement", sql)
            for (_, word), (_, following) in pairwise(words):
                if following == "(" and word in self._refused:
                    raise SandboxError(f"the function {word}()", sql)

    def _kind_of(self, sql: str) -> str:
        with closing(self._root.cursor()) as parser:
            try:
                kinds = [statement.type.name for statement in parser.extract_statements(sql)]
            except ValueError as error:  # the client has no name for some statements
                raise SandboxError("this kind of statement", sql) from error
        if len(kinds) != 1:
            raise SandboxError("anything but one statement at a time", sql)
        return str(kinds[0])


def _words_of(sql: str) -> list[tuple[int, str]]:
    """Return the words of a statement, comments left out, each with its position in UTF-8."""
    text = sql.encode()
    words = []
    for position, kind in duckdb.tokenize(sql):
        if kind.name != "comment" and (found := _WORD.match(text[position:].decode())):
            word = found[0].lower()
            words.append((position, word[1:-1].replace('""', '"') if word[0] == '"' else word))
    return words


def _created(words: list[tuple[int, str]]) -> str:
    return next((word for _, word in words if word not in _BEFORE_CREATED), "")


def _nested(words: list[tuple[int, str]]) -> str | None:
    """Return the word of a statement that is within another one, unless it is of ON DELETE."""
    depth, before = 0, ""
    for _, word in words:
        depth += (word == "(") - (word == ")")
        if depth > 0 and word in _NESTED.split() and before != "on":
            return word
        before = word
    return None


def _explained(sql: str, words: list[tuple[int, str]]) -> str:
    """Return the statement within an EXPLAIN: with ANALYZE it runs."""
    rest = words[1:]
    if rest and rest[0][1] == "analyze":
        rest = rest[1:]
    if rest and rest[0][1] == "(":
        closed = next((i for i, (_, word) in enumerate(rest) if word == ")"), len(rest))
        rest = rest[closed + 1 :]
    return sql.encode()[rest[0][0] :].decode() if rest else ""
