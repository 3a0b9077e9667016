"""Queries on DuckDB's catalog functions: one statement for all requested tables.

It returns the schemas, the tables and what belongs to them in rows of their own, which are joined
here: DuckDB would take longer to plan the joins than to read everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from functools import lru_cache
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.engine.interfaces import TableKey
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope

from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.names import fold, sequence_name
from mixpanel_data.dialect.sql.parsing import split_schema

# DuckDB 2.0 has nested schemas, whose names may equal those of top-level ones; 1.5 has no column
# parent_schema.
_TOP_LEVEL = """
    FROM (FROM duckdb_schemas() UNION ALL BY NAME SELECT NULL AS parent_schema WHERE FALSE)
    WHERE parent_schema IS NULL
"""

_SCHEMAS = text(
    qualify_builtins(
        "SELECT database_name = current_database() AS is_current, database_name, schema_name"
        + _TOP_LEVEL
    )
)

_PLACES = (
    "SELECT 'place' AS part, database_name = current_database() AS is_current, database_name, "
    "oid AS schema_oid" + _TOP_LEVEL + " AND {here}"
)

#: The database of a connection's temporary tables.
_TEMPORARY = "temp"

#: Databases that are none of the user's.
_INTERNAL = {"system", _TEMPORARY}

_NAMED = " AND list_contains(:names, translate({name}, :upper, :lower))"

_OBJECTS = {
    ObjectKind.TABLE: (
        "SELECT 'object' AS part, database_name, schema_oid, table_name, "
        "FALSE AS is_view, comment, sql FROM duckdb_tables() WHERE {here}"
    ),
    ObjectKind.VIEW: (
        "SELECT 'object' AS part, database_name, schema_oid, view_name AS table_name, "
        "TRUE AS is_view, comment, sql FROM duckdb_views() WHERE {here}"
    ),
}

# Constraints and indexes store the names of columns as they were typed, in any case. So the names
# of the tables' columns are selected too.
_COLUMN_NAMES = """
    SELECT 'column' AS part, database_name, schema_oid, table_name, column_index, column_name
    FROM duckdb_columns() WHERE {here}
"""

_CONSTRAINTS = """
    SELECT 'detail' AS part, database_name, schema_oid, table_name, constraint_index AS position,
        expression, constraint_column_names, referenced_table, referenced_column_names
    FROM duckdb_constraints() WHERE {here}
"""


_SEQUENCES = """
    SELECT 'sequence' AS part, database_name, schema_oid, sequence_name, start_value, increment_by,
        min_value, max_value, cycle
    FROM duckdb_sequences() WHERE {here}
"""


class Details(NamedTuple):
    """What is read beside tables and views.

    Attributes:
        query: Selects the details of tables.
        needs_columns: Whether the names of the tables' columns are needed with each of them.
        needs_others: Whether those of other tables are needed, too.
        needs_sequences: Whether the sequences of columns are needed.
    """

    query: str
    needs_columns: bool = True
    needs_others: bool = False
    needs_sequences: bool = False


COLUMNS = Details(
    """
    SELECT 'detail' AS part, database_name, schema_oid, table_name, column_index AS position,
        column_name, data_type, is_nullable, column_default, comment
    FROM duckdb_columns() WHERE {here}
    """,
    needs_columns=False,
    needs_sequences=True,
)
PRIMARY_KEYS = Details(_CONSTRAINTS + " AND constraint_type = 'PRIMARY KEY'")
FOREIGN_KEYS = Details(_CONSTRAINTS + " AND constraint_type = 'FOREIGN KEY'", needs_others=True)
UNIQUE_CONSTRAINTS = Details(_CONSTRAINTS + " AND constraint_type = 'UNIQUE'")
CHECK_CONSTRAINTS = Details(_CONSTRAINTS + " AND constraint_type = 'CHECK'")
INDEXES = Details("""
    SELECT 'detail' AS part, database_name, schema_oid, table_name, index_name AS position,
        index_name, is_unique, CAST(expressions AS VARCHAR[]) AS expressions
    FROM duckdb_indexes() WHERE {here}
""")


_TYPES = """
    SELECT 'type' AS part, database_name, schema_oid, type_name
    FROM duckdb_types() WHERE {here} AND NOT internal
"""


@lru_cache
def _statement(parts: tuple[str, ...], *, has_database: bool, has_schema: bool) -> TextClause:
    """Return the statement for parts of a schema, and the places that its name may stand for."""
    equals = "translate({name}, :upper, :lower) = :{parameter}"
    here = "database_name = current_database()"
    if has_database:
        here = equals.format(name="database_name", parameter="database")
    if has_schema:
        here += " AND " + equals.format(name="schema_name", parameter="schema")
    else:
        here = f"({here} AND schema_name = current_schema() OR database_name = '{_TEMPORARY}')"
    query = " UNION ALL BY NAME ".join((_PLACES, *parts))
    return text(qualify_builtins(query.replace("{here}", here)))


def _rows(
    connection: Connection,
    parts: tuple[str, ...],
    schema: str | None,
    scope: ObjectScope,
    names: Collection[str] = (),
) -> list[Row[Any]]:
    """Return the parts of a schema, and where none is named, those of temporary ones.

    Args:
        connection: Connection to the database.
        parts: What to select.
        schema: ``schema`` or ``database.schema``; None is the current schema.
        scope: Whether to include temporary ones.
        names: Those to select, where ``parts`` ask for names.
    """
    database, name = (None, None) if schema is None else split_schema(schema)
    statement = _statement(parts, has_database=database is not None, has_schema=name is not None)
    given = {
        "database": database and fold(database),
        "schema": name and fold(name),
        "upper": ascii_uppercase,
        "lower": ascii_lowercase,
        "names": [fold(name) for name in names],
    }
    needed = {key: value for key, value in given.items() if f":{key}" in statement.text}
    rows = connection.execute(statement, needed).all()
    places = {
        (row.database_name, row.schema_oid)
        for row in rows
        if row.part == "place"
        and (
            ((schema is not None or row.is_current) and ObjectScope.DEFAULT in scope)
            or (
                schema is None
                and row.database_name == _TEMPORARY
                and ObjectScope.TEMPORARY in scope
            )
        )
    }
    return [row for row in rows if (row.database_name, row.schema_oid) in places]


class Entry(NamedTuple):
    """A table or view.

    Attributes:
        name: Name as the catalog spells it.
        is_view: Whether it is a view.
        comment: Comment on the table or view.
        sql: The ``CREATE`` statement, as DuckDB writes it.
        details: What the query adds: one dict for each column, constraint or index.
        is_temporary: Whether it belongs to the connection only.
    """

    name: str
    is_view: bool
    comment: str | None
    sql: str | None
    details: list[dict[str, Any]]
    is_temporary: bool


def read(
    connection: Connection,
    details: Details | None = None,
    *,
    schema: str | None = None,
    filter_names: Collection[str] | None = None,
    scope: ObjectScope = ObjectScope.DEFAULT,
    kind: ObjectKind = ObjectKind.TABLE,
    **_: Any,
) -> dict[TableKey, Entry]:
    """Read tables and views, with one statement.

    A temporary table hides another of the same name, as in DuckDB's own name resolution.

    Args:
        connection: Connection to the database.
        details: What to read beside them, None for nothing.
        schema: ``schema`` or ``database.schema``; None is the current schema.
        filter_names: Names in any case; None or empty for every name.
        scope: Whether to include temporary tables, which belong to no schema.
        kind: Whether to include tables, views or both.

    Returns:
        The entries by name, as spelled in ``filter_names``, else in the catalog.
    """
    parts = [query for each, query in _OBJECTS.items() if each in kind]
    if not parts:
        return {}
    if details is not None:
        parts.append(details.query)
        if details.needs_columns:
            parts.append(_COLUMN_NAMES)
        if details.needs_sequences:
            parts.append(_SEQUENCES)
    if filter_names:
        everything = {_SEQUENCES}
        if details is not None and details.needs_others:
            everything.add(_COLUMN_NAMES)
        parts = [part if part in everything else _named(part) for part in parts]
    found = _entries(_rows(connection, tuple(parts), schema, scope, filter_names or ()))
    if not filter_names:
        return {(schema, entry.name): entry for entry in found.values()}
    return {(schema, name): found[fold(name)] for name in filter_names if fold(name) in found}


def _named(query: str) -> str:
    name = "view_name" if query is _OBJECTS[ObjectKind.VIEW] else "table_name"
    return query + _NAMED.format(name=name)


def _entries(rows: Collection[Row[Any]]) -> dict[str, Entry]:
    """Join tables and views with their details.

    Returns:
        The entries by folded name, sorted by name.
    """
    columns: defaultdict[Any, list[Row[Any]]] = defaultdict(list)
    details: defaultdict[Any, list[Row[Any]]] = defaultdict(list)
    objects: dict[str, Row[Any]] = {}
    sequences = {
        (row.database_name, row.schema_oid, row.sequence_name): _options(row)
        for row in rows
        if row.part == "sequence"
    }
    for row in rows:
        if row.part == "column":
            columns[_table_of(row)].append(row)
        elif row.part == "detail":
            details[_table_of(row)].append(row)
        elif row.part == "object" and (
            row.database_name == _TEMPORARY or fold(row.table_name) not in objects
        ):
            objects[fold(row.table_name)] = row
    names = {
        table: [row.column_name for row in sorted(found, key=lambda row: row.column_index)]
        for table, found in columns.items()
    }
    folded = {(*place, fold(name)): name for *place, name in names}
    entries = {}
    for key, row in sorted(objects.items(), key=lambda item: item[1].table_name):
        table = _table_of(row)
        own = []
        for detail in sorted(details[table], key=lambda row: row.position):
            own.append({**detail._mapping, "columns": names.get(table)})
            if sequences and (column := getattr(detail, "column_name", None)) is not None:
                sequence = sequence_name(row.table_name, column)
                own[-1]["sequence"] = sequences.get((*table[:2], sequence))
            if getattr(detail, "referenced_table", None) is not None:
                place = (row.database_name, row.schema_oid)
                referred = folded.get((*place, fold(detail.referenced_table)))
                own[-1]["referred_table"] = referred
                own[-1]["referred_columns"] = names.get((*place, referred))
        is_temporary = row.database_name == _TEMPORARY
        entries[key] = Entry(row.table_name, row.is_view, row.comment, row.sql, own, is_temporary)
    return entries


def _table_of(row: Row[Any]) -> tuple[str, int, str]:
    return row.database_name, row.schema_oid, row.table_name


def read_schemas(connection: Connection) -> list[tuple[bool, str, str]]:
    """Return all schemas of the user's databases.

    Returns:
        For each, whether its database is the current one, the database and the schema. Those of
        the current database come first.
    """
    rows = connection.execute(_SCHEMAS)
    found = [
        (row.is_current, row.database_name, row.schema_name)
        for row in rows
        if row.database_name not in _INTERNAL
    ]
    return sorted(found, key=lambda found: (not found[0], *found[1:]))


def has_schema(connection: Connection, schema: str) -> bool:
    """Tell whether there is a schema of this name, in any case."""
    return bool(_rows(connection, (), schema, ObjectScope.DEFAULT))


def read_sequences(
    connection: Connection, schema: str | None, scope: ObjectScope = ObjectScope.DEFAULT
) -> list[str]:
    """Return the names of the sequences in a schema, sorted."""
    return sorted(row.sequence_name for row in _sequences(connection, schema, scope))


def read_sequence_options(connection: Connection, name: str, schema: str | None) -> dict[str, Any]:
    """Return the options of a sequence but its start, by their names in ``Identity``."""
    rows = _sequences(connection, schema, ObjectScope.DEFAULT)
    (row,) = (row for row in rows if row.sequence_name == name)
    return {name: value for name, value in _options(row).items() if name != "start"}


def _options(row: Row[Any]) -> dict[str, Any]:
    return {
        "start": row.start_value,
        "increment": row.increment_by,
        "minvalue": row.min_value,
        "maxvalue": row.max_value,
        "cycle": row.cycle,
    }


def _sequences(connection: Connection, schema: str | None, scope: ObjectScope) -> list[Row[Any]]:
    rows = _rows(connection, (_SEQUENCES,), schema, scope)
    return [row for row in rows if row.part == "sequence"]


def read_types(connection: Connection, schema: str | None) -> list[str]:
    """Return the names of the user-defined types in a schema; None adds temporary ones."""
    rows = _rows(connection, (_TYPES,), schema, ObjectScope.ANY)
    return [row.type_name for row in rows if row.part == "type"]
