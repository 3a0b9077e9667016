"""Queries on DuckDB's catalog functions: one statement for all requested tables."""

from __future__ import annotations

from collections.abc import Collection
from string import ascii_lowercase, ascii_uppercase
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.engine.interfaces import TableKey
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope

from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.parsing import split_schema

# The requested schema and, if none is named, that of temporary tables. DuckDB 2.0 has nested
# schemas, whose names may equal those of top-level ones; 1.5 has no column parent_schema.
_PLACE = """
WITH place AS (
    SELECT database_name, oid AS schema_oid, FALSE AS temporary
    FROM (FROM duckdb_schemas() UNION ALL BY NAME SELECT NULL AS parent_schema WHERE FALSE)
    WHERE parent_schema IS NULL
        AND CASE WHEN :database IS NULL THEN database_name = current_database()
            ELSE translate(database_name, :upper, :lower) = :database END
        AND CASE WHEN :schema IS NULL THEN schema_name = current_schema()
            ELSE translate(schema_name, :upper, :lower) = :schema END
    UNION ALL
    SELECT database_name, oid, TRUE
    FROM duckdb_schemas()
    WHERE :schema IS NULL AND database_name = 'temp'
)
"""

# A temporary table hides another of the same name, as in DuckDB's own name resolution.
_OBJECT = """
, object AS (
    SELECT *
    FROM (
        SELECT database_name, schema_oid, table_name, FALSE AS is_view, comment, sql
        FROM duckdb_tables()
        UNION ALL
        SELECT database_name, schema_oid, view_name, TRUE, comment, sql
        FROM duckdb_views()
    )
    JOIN place USING (database_name, schema_oid)
    WHERE list_contains(:views, is_view)
        AND list_contains(:temporary, temporary)
        AND (
            CAST(:names AS VARCHAR[]) IS NULL
            OR list_contains(:names, translate(table_name, :upper, :lower))
        )
    QUALIFY row_number() OVER (
        PARTITION BY translate(table_name, :upper, :lower) ORDER BY temporary DESC
    ) = 1
)
"""

_DETAIL = """
, column_names AS (
    SELECT database_name, schema_oid, table_name, list(column_name) AS columns
    FROM duckdb_columns()
    GROUP BY ALL
), detail AS (
"""

_RESULT = """
)
SELECT
    object.table_name AS name,
    any_value(object.is_view) AS is_view,
    any_value(object.comment) AS comment,
    any_value(object.sql) AS sql,
    list(found ORDER BY position) FILTER (position IS NOT NULL) AS details
FROM object
LEFT JOIN detail USING (database_name, schema_oid, table_name)
GROUP BY object.table_name
ORDER BY object.table_name
"""


def _details(query: str) -> TextClause:
    return text(qualify_builtins(_PLACE + _OBJECT + _DETAIL + query + _RESULT))


#: Only the tables and views: the most frequent query, which needs no join.
OBJECTS = text(
    qualify_builtins(
        _PLACE
        + _OBJECT
        + """
SELECT table_name AS name, is_view, comment, sql, NULL AS details
FROM object
ORDER BY table_name
"""
    )
)

COLUMNS = _details("""
    SELECT database_name, schema_oid, table_name, column_index AS position,
        struct_pack(column_name, data_type, is_nullable, column_default, comment) AS found
    FROM duckdb_columns()
""")

# Constraints and indexes store the names of columns as they were typed, in any case. So the names
# of the tables' columns are selected too.
_CONSTRAINTS = """
    SELECT database_name, schema_oid, table_name, constraint_index AS position,
        struct_pack(
            expression, constraint_column_names, own.columns,
            referred_table := referred.table_name, referenced_column_names,
            referred_columns := referred.columns
        ) AS found
    FROM duckdb_constraints() AS defined
    JOIN column_names AS own USING (database_name, schema_oid, table_name)
    LEFT JOIN column_names AS referred
        ON referred.database_name = defined.database_name
        AND referred.schema_oid = defined.schema_oid
        AND translate(referred.table_name, :upper, :lower)
            = translate(referenced_table, :upper, :lower)
    WHERE constraint_type = :constraint_type
"""

PRIMARY_KEYS = _details(_CONSTRAINTS).bindparams(constraint_type="PRIMARY KEY")
FOREIGN_KEYS = _details(_CONSTRAINTS).bindparams(constraint_type="FOREIGN KEY")
UNIQUE_CONSTRAINTS = _details(_CONSTRAINTS).bindparams(constraint_type="UNIQUE")
CHECK_CONSTRAINTS = _details(_CONSTRAINTS).bindparams(constraint_type="CHECK")

INDEXES = _details("""
    SELECT database_name, schema_oid, table_name, index_name AS position,
        struct_pack(
            index_name, is_unique, expressions := CAST(expressions AS VARCHAR[]), columns
        ) AS found
    FROM duckdb_indexes()
    JOIN column_names USING (database_name, schema_oid, table_name)
""")

_SCHEMAS = text(
    qualify_builtins("""
    SELECT database_name = current_database() AS is_current, database_name, schema_name
    FROM (FROM duckdb_schemas() UNION ALL BY NAME SELECT NULL AS parent_schema WHERE FALSE)
    WHERE parent_schema IS NULL AND database_name NOT IN ('system', 'temp')
    ORDER BY is_current DESC, database_name, schema_name
""")
)


def _placed(query: str) -> TextClause:
    return text(qualify_builtins(_PLACE + query))


_PLACED_SCHEMAS = _placed("SELECT 1 FROM place WHERE NOT temporary")

_SEQUENCES = _placed("""
    SELECT sequence_name
    FROM duckdb_sequences() AS sequences
    JOIN place USING (database_name, schema_oid)
    WHERE list_contains(:temporary, place.temporary)
    ORDER BY sequence_name
""")

_SEQUENCE_OPTIONS = _placed("""
    SELECT increment_by, min_value, max_value, cycle
    FROM duckdb_sequences() AS sequences
    JOIN place USING (database_name, schema_oid)
    WHERE sequence_name = :name AND NOT place.temporary
""")

_TYPES = _placed("""
    SELECT type_name
    FROM duckdb_types() AS types
    JOIN place USING (database_name, schema_oid)
    WHERE NOT internal
""")

_KINDS = ((False, ObjectKind.TABLE), (True, ObjectKind.VIEW))
_SCOPES = ((False, ObjectScope.DEFAULT), (True, ObjectScope.TEMPORARY))


class Entry(NamedTuple):
    """A table or view.

    Attributes:
        name: Name as the catalog spells it.
        is_view: Whether it is a view.
        comment: Comment on the table or view.
        sql: The ``CREATE`` statement, as DuckDB writes it.
        details: What the query adds: one dict for each column, constraint or index.
    """

    name: str
    is_view: bool
    comment: str | None
    sql: str | None
    details: list[dict[str, Any]]


def read(
    connection: Connection,
    query: TextClause = OBJECTS,
    *,
    schema: str | None = None,
    filter_names: Collection[str] | None = None,
    scope: ObjectScope = ObjectScope.DEFAULT,
    kind: ObjectKind = ObjectKind.TABLE,
    **_: Any,
) -> dict[TableKey, Entry]:
    """Read tables and views with one statement.

    Args:
        connection: Connection to the database.
        query: One of the queries of this module; it defines the details.
        schema: ``schema`` or ``database.schema``; None is the current schema.
        filter_names: Names in any case; None or empty for every name.
        scope: Whether to include temporary tables, which belong to no schema.
        kind: Whether to include tables, views or both.

    Returns:
        The entries by name, as spelled in ``filter_names``, else in the catalog.
    """
    parameters = {
        **_place(schema),
        "views": [value for value, of in _KINDS if of in kind],
        "temporary": [value for value, of in _SCOPES if of in scope],
        "names": [fold(name) for name in filter_names] if filter_names else None,
    }
    if not parameters["views"]:
        return {}
    rows = connection.execute(query, parameters)
    entries = {
        row.name: Entry(row.name, row.is_view, row.comment, row.sql, row.details or [])
        for row in rows
    }
    if not filter_names:
        return {(schema, name): entry for name, entry in entries.items()}
    found = {fold(name): entry for name, entry in entries.items()}
    return {(schema, name): found[fold(name)] for name in filter_names if fold(name) in found}


def read_schemas(connection: Connection) -> list[tuple[bool, str, str]]:
    """Return all schemas of the user's databases.

    Returns:
        For each, whether its database is the current one, the database and the schema. Those of
        the current database come first.
    """
    rows = connection.execute(_SCHEMAS)
    return [(row.is_current, row.database_name, row.schema_name) for row in rows]


def has_schema(connection: Connection, schema: str) -> bool:
    """Tell whether there is a schema of this name, in any case."""
    return connection.execute(_PLACED_SCHEMAS, _place(schema)).first() is not None


def read_sequences(
    connection: Connection, schema: str | None, scope: ObjectScope = ObjectScope.DEFAULT
) -> list[str]:
    """Return the names of the sequences in a schema, sorted."""
    parameters = {**_place(schema), "temporary": [value for value, of in _SCOPES if of in scope]}
    return list(connection.execute(_SEQUENCES, parameters).scalars())


def read_sequence_options(connection: Connection, name: str, schema: str | None) -> dict[str, Any]:
    """Return the options of a sequence, by the names that SQLAlchemy's ``Identity`` gives them."""
    row = connection.execute(_SEQUENCE_OPTIONS, {**_place(schema), "name": name}).one()
    return dict(zip(("increment", "minvalue", "maxvalue", "cycle"), row, strict=True))


def read_types(connection: Connection, schema: str | None) -> list[str]:
    """Return the names of the user-defined types in a schema; None adds temporary ones."""
    return list(connection.execute(_TYPES, _place(schema)).scalars())


def _place(schema: str | None) -> dict[str, str | None]:
    database, name = (None, None) if schema is None else split_schema(schema)
    return {
        "database": database and fold(database),
        "schema": name and fold(name),
        "upper": ascii_uppercase,
        "lower": ascii_lowercase,
    }
