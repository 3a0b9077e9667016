"""Looks up the names of a statement in the catalog of an open database.

The file may contain macros with the names of DuckDB's functions. So the SQL here qualifies every
function, and has no operators but comparisons, which no macro can replace.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import duckdb

from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.sandbox.scratch import scratch
from mixpanel_data.database.sandbox.tree import TableName
from mixpanel_data.dialect.sql.names import fold

#: Schemas in which DuckDB looks for a table without a schema.
_SEARCHED = {"main", "pg_catalog"}

_RELATIONS = """
    SELECT database_name, schema_name, view_name, sql, true FROM system.main.duckdb_views()
    UNION ALL
    SELECT database_name, schema_name, table_name, sql, false FROM system.main.duckdb_tables()
"""
_OWN_TABLES = """
    SELECT view_name FROM system.main.duckdb_views() WHERE NOT internal
    UNION ALL SELECT table_name FROM system.main.duckdb_tables() WHERE NOT internal
"""
_DEFAULTS = """
    SELECT database_name, schema_name, table_name, column_default
    FROM system.main.duckdb_columns() WHERE column_default IS NOT NULL
"""
_COLUMNS = """
    SELECT schema_name, table_name, column_name FROM system.main.duckdb_columns()
    WHERE database_name = system.main.current_database()
"""
_FUNCTIONS = "SELECT function_name FROM system.main.duckdb_functions() WHERE NOT internal"
_TYPES = "SELECT type_name, logical_type FROM system.main.duckdb_types() WHERE NOT internal"
_MACROS = """
    SELECT function_name, macro_definition FROM duckdb_functions()
    WHERE internal AND function_type = 'macro' AND macro_definition IS NOT NULL
"""

_WHERE = """
    SELECT database_name, type, path FROM system.main.duckdb_databases()
    WHERE database_name = system.main.current_database()
"""

#: Metadata of files that changes with every commit: inode, size and time of modification.
State = tuple[tuple[int, int, int] | None, ...]


class Relation(NamedTuple):
    """A table or view.

    Attributes:
        catalog: The database it is in.
        schema: The schema it is in.
        name: Its name, in lower case like the others.
        sql: The statement that creates it.
        is_view: False for a table.
    """

    catalog: str
    schema: str
    name: str
    sql: str
    is_view: bool

    @property
    def has_generated_columns(self) -> bool:
        """Whether a column of the table may be computed when it is read."""
        return not self.is_view and "GENERATED ALWAYS AS" in self.sql


class Names(NamedTuple):
    """The user-defined names in the file, besides tables and views, in lower case.

    Attributes:
        functions: Its macros.
        types: Its types, with the types that they stand for.
    """

    functions: frozenset[str]
    types: dict[str, str]


class Catalog:
    """The catalog of an open database.

    Args:
        opened: The database.
    """

    def __init__(self, opened: OpenDatabase) -> None:
        self._opened = opened
        with closing(opened.cursor()) as cursor:
            ((own, kind, path),) = cursor.execute(_WHERE).fetchall()
        self._databases = {fold(own), "system", "temp"}
        self._is_lake = kind == "ducklake"
        has_file = kind == "duckdb" and path is not None
        self._files = (Path(path), wal_of(path)) if has_file else ()
        self._read: tuple[State, Names] | None = None

    def relations(self, names: Iterable[TableName], schema: str) -> dict[TableName, list[Relation]]:
        """Return the tables and views that each name may mean, an empty list for no such table.

        Args:
            names: The names.
            schema: The schema of the view that contains them; its tables come first there.
        """
        with closing(self._opened.cursor()) as cursor:
            rows = cursor.execute(_RELATIONS).fetchall()
        known: defaultdict[str, list[Relation]] = defaultdict(list)
        for catalog, within, name, sql, is_view in rows:
            relation = Relation(fold(catalog), fold(within), fold(name), sql or "", is_view)
            if relation.catalog in self._databases:
                known[relation.name].append(relation)
        return {name: _meant(name, known[name.name], schema) for name in names}

    def own_tables(self) -> list[str]:
        """Return the names of the tables and views, without DuckDB's internal ones."""
        with closing(self._opened.cursor()) as cursor:
            rows = cursor.execute(_OWN_TABLES).fetchall()
        return [name for (name,) in rows]

    def defaults(self, table: Relation) -> list[str]:
        """Return the default expressions of the columns of a table."""
        with closing(self._opened.cursor()) as cursor:
            rows = cursor.execute(_DEFAULTS).fetchall()
        return [sql for *path, sql in rows if [*map(fold, path)] == [*table[:3]]]

    def lake_tables(self, names: set[str]) -> list[tuple[str, set[str]]]:
        """Return the tables and views of a lake that names may mean, with their columns."""
        if not self._is_lake:
            return []
        with closing(self._opened.cursor()) as cursor:
            rows = cursor.execute(_COLUMNS).fetchall()
        found: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for schema, table, column in rows:
            if fold(table) in names:
                found[schema, table].add(fold(column))
        return [(table, columns) for (_, table), columns in found.items()]

    def names(self) -> Names:
        """Return the user-defined names, cached until the next commit.

        Listing functions takes DuckDB more time than anything else here. In memory and in a lake,
        where no file shows commits, they are read each time.
        """
        state = tuple(map(_state_of, self._files))
        read = self._read
        if not state or read is None or read[0] != state:
            self._read = read = state, self._read_names()
        return read[1]

    def _read_names(self) -> Names:
        with closing(self._opened.cursor()) as cursor:
            functions = cursor.execute(_FUNCTIONS).fetchall()
            types = cursor.execute(_TYPES).fetchall()
        return Names(
            frozenset(fold(name) for (name,) in functions),
            {fold(name): fold(logical) for name, logical in types},
        )


def _meant(name: TableName, relations: list[Relation], schema: str) -> list[Relation]:
    """Return the relations that a name may mean, none if DuckDB would find none.

    If one is in a searched schema, those of other schemas are included: which one is meant depends
    on the context of the name, so all of them are checked.
    """
    if name.schema:
        databases = {name.catalog} if name.catalog else None
        return [
            relation
            for relation in relations
            if (databases is None or relation.catalog in databases)
            and (
                relation.schema == name.schema
                or (databases is None and relation.catalog == name.schema)
            )
        ]
    searched = _SEARCHED | {schema}
    return relations if any(relation.schema in searched for relation in relations) else []


def _state_of(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_as(text: bytes) -> bool:
    return text[:2].upper() == b"AS" and not text[2:3].isalpha()


@lru_cache(maxsize=1)
def macros() -> dict[str, list[str]]:
    """Return the definitions of DuckDB's own macros."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    with scratch() as connection:
        for name, definition in connection.execute(_MACROS).fetchall():
            found[fold(name)].append(definition)
    return dict(found)


def select_of(view: str) -> str:
    """Return the query of a ``CREATE VIEW`` statement: what follows its AS.

    It uses DuckDB's tokenizer, because names and strings may contain AS and brackets, too.
    """
    text = view.encode()  # the tokenizer counts bytes
    depth = 0
    for position, kind in duckdb.tokenize(view):
        if kind == duckdb.token_type.operator:
            character = text[position : position + 1]
            depth += (character == b"(") - (character == b")")
        elif depth == 0 and kind == duckdb.token_type.keyword and _is_as(text[position:]):
            return text[position + 2 :].decode()
    return view
