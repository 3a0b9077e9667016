"""Names in a database: schemas, tables, views, sequences, types."""

from __future__ import annotations

from collections.abc import Collection, ItemsView
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import reflection
from sqlalchemy.engine.interfaces import TableKey
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.exc import ArgumentError, NoSuchTableError

from mixpanel_data.dialect.reflection import catalog
from mixpanel_data.dialect.reflection.catalog import Entry
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.parsing import join_schema


class Listing:
    """The part of the dialect that finds and lists names.

    Like DuckDB, it finds names in any case. Without a schema, it searches the current schema of the
    current database and the temporary tables; ``database.schema`` is one of an attached database.
    """

    @reflection.cache
    def get_schema_names(self, connection: Connection, **kw: Any) -> list[str]:
        """Return the current database's schemas, and ``database.schema`` for attached ones.

        DuckDB's internal schemas, such as ``information_schema``, belong to another database.
        """
        return [
            join_schema(schema) if is_current else join_schema(database, schema)
            for is_current, database, schema in catalog.read_schemas(connection)
        ]

    @reflection.cache
    def has_schema(self, connection: Connection, schema_name: str, **kw: Any) -> bool:
        """Tell whether there is a schema."""
        return catalog.has_schema(connection, schema_name)

    @reflection.cache
    def has_table(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Tell whether there is a table or view, temporary ones included."""
        if not isinstance(connection, Connection):
            raise ArgumentError(
                "The argument passed to Dialect.has_table() should be a Connection, not "
                f"{connection!r}. Use inspect(engine).has_table()."
            )
        return dict(self.has_multi_table(connection, [table_name], schema))[schema, table_name]

    def has_multi_table(
        self,
        connection: Connection,
        table_names: Collection[str],
        schema: str | None = None,
        **kw: Any,
    ) -> ItemsView[TableKey, bool]:
        """Tell for each name whether there is a table or view, temporary ones included."""
        found = catalog.read(
            connection,
            schema=schema,
            filter_names=table_names,
            scope=ObjectScope.ANY,
            kind=ObjectKind.ANY,
        )
        return {(schema, name): (schema, name) in found for name in table_names}.items()

    @reflection.cache
    def has_index(
        self,
        connection: Connection,
        table_name: str,
        index_name: str,
        schema: str | None = None,
        **kw: Any,
    ) -> bool:
        """Tell whether a table has an index."""
        found = catalog.read(
            connection,
            catalog.INDEXES,
            schema=schema,
            filter_names=[table_name],
            scope=ObjectScope.ANY,
        )
        names = [detail["index_name"] for entry in found.values() for detail in entry.details]
        return fold(index_name) in map(fold, names)

    @reflection.cache
    def has_sequence(
        self, connection: Connection, sequence_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Tell whether there is a sequence, temporary ones included."""
        names = catalog.read_sequences(connection, schema, ObjectScope.ANY)
        return fold(sequence_name) in map(fold, names)

    @reflection.cache
    def has_type(
        self, connection: Connection, type_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Tell whether there is a user-defined type of that name."""
        return fold(type_name) in map(fold, catalog.read_types(connection, schema))

    @reflection.cache
    def _objects(self, connection: Connection, schema: str | None, **kw: Any) -> Collection[Entry]:
        """Return the tables and views of a scope; most callers want both.

        The scope is a keyword, which the cache goes by.
        """
        return catalog.read(connection, schema=schema, kind=ObjectKind.ANY, **kw).values()

    @reflection.cache
    def get_table_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return the names of the tables, without views and temporary tables."""
        found = self._objects(connection, schema, scope=ObjectScope.DEFAULT, **kw)
        return [entry.name for entry in found if not entry.is_view]

    @reflection.cache
    def get_view_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return the names of the views, without temporary ones."""
        found = self._objects(connection, schema, scope=ObjectScope.DEFAULT, **kw)
        return [entry.name for entry in found if entry.is_view]

    @reflection.cache
    def get_temp_table_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return the names of this connection's temporary tables."""
        found = self._objects(connection, schema, scope=ObjectScope.TEMPORARY, **kw)
        return [entry.name for entry in found if not entry.is_view]

    @reflection.cache
    def get_temp_view_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return the names of this connection's temporary views."""
        found = self._objects(connection, schema, scope=ObjectScope.TEMPORARY, **kw)
        return [entry.name for entry in found if entry.is_view]

    def get_materialized_view_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return no name: DuckDB has no materialized views."""
        return []

    @reflection.cache
    def get_sequence_names(
        self, connection: Connection, schema: str | None = None, **kw: Any
    ) -> list[str]:
        """Return the names of the sequences, without temporary ones."""
        return catalog.read_sequences(connection, schema)

    @reflection.cache
    def get_view_definition(
        self, connection: Connection, view_name: str, schema: str | None = None, **kw: Any
    ) -> str | None:
        """Return the whole ``CREATE VIEW``, because it may name columns that its query does not."""
        found = catalog.read(
            connection,
            schema=schema,
            filter_names=[view_name],
            scope=ObjectScope.ANY,
            kind=ObjectKind.VIEW,
        )
        for entry in found.values():
            return entry.sql
        raise NoSuchTableError(view_name)
