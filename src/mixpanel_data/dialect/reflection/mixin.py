"""Reflection from DuckDB's catalog: what ``Inspector`` and ``MetaData.reflect()`` ask a dialect."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import reflection
from sqlalchemy.engine.interfaces import (
    ReflectedCheckConstraint,
    ReflectedForeignKeyConstraint,
    ReflectedIndex,
    ReflectedPrimaryKeyConstraint,
    ReflectedTableComment,
    ReflectedUniqueConstraint,
    TableKey,
)
from sqlalchemy.engine.reflection import ObjectKind, ObjectScope
from sqlalchemy.exc import NoSuchTableError

from mixpanel_data.dialect.reflection import catalog, records, unenforced_keys
from mixpanel_data.dialect.reflection.catalog import Details, Entry
from mixpanel_data.dialect.reflection.inspector import Inspector
from mixpanel_data.dialect.reflection.listing import Listing
from mixpanel_data.dialect.reflection.records import DuckDBColumn

_T = TypeVar("_T")


class Reflection(Listing):
    """The part of the dialect that reads the catalog.

    Every ``get_multi_*`` method runs one statement; the method for one table calls it. Where the
    catalog has no keys, those of our tables are read with two more.
    """

    inspector = Inspector
    supports_keys: bool

    @reflection.cache
    def get_columns(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[DuckDBColumn]:
        """Return the columns of a table or view."""
        return _single(self.get_multi_columns, connection, table_name, schema)

    @reflection.cache
    def get_pk_constraint(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> ReflectedPrimaryKeyConstraint:
        """Return the primary key of a table, in a lake the one that loads keep unique."""
        return _single(self.get_multi_pk_constraint, connection, table_name, schema)

    @reflection.cache
    def get_foreign_keys(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedForeignKeyConstraint]:
        """Return the foreign keys of a table."""
        return _single(self.get_multi_foreign_keys, connection, table_name, schema)

    @reflection.cache
    def get_unique_constraints(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedUniqueConstraint]:
        """Return the unique constraints of a table, without unique indexes."""
        return _single(self.get_multi_unique_constraints, connection, table_name, schema)

    @reflection.cache
    def get_check_constraints(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedCheckConstraint]:
        """Return the check constraints of a table."""
        return _single(self.get_multi_check_constraints, connection, table_name, schema)

    @reflection.cache
    def get_indexes(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedIndex]:
        """Return the indexes of a table, without those that serve a constraint."""
        return _single(self.get_multi_indexes, connection, table_name, schema)

    @reflection.cache
    def get_table_comment(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> ReflectedTableComment:
        """Return the comment on a table or view."""
        return _single(self.get_multi_table_comment, connection, table_name, schema)

    @reflection.cache
    def get_table_options(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, Any]:
        """Return no option: DuckDB has none."""
        return _single(self.get_multi_table_options, connection, table_name, schema)

    def get_multi_columns(
        self, connection: Connection, *, schema: str | None = None, **kw: Any
    ) -> ItemsView[TableKey, list[DuckDBColumn]]:
        """Like :meth:`get_columns`, for many tables."""
        preparer = self.identifier_preparer  # type: ignore[attr-defined]
        build = partial(records.columns, schema=schema, preparer=preparer)
        return _multi(build, connection, catalog.COLUMNS, schema=schema, **kw)

    def get_multi_pk_constraint(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, ReflectedPrimaryKeyConstraint]:
        """Like :meth:`get_pk_constraint`, for many tables."""
        schema = kw.get("schema")
        keys = {} if self.supports_keys else unenforced_keys.read(connection, schema)
        build = partial(records.primary_key, unenforced=keys)
        return _multi(build, connection, catalog.PRIMARY_KEYS, **kw)

    def get_multi_foreign_keys(
        self, connection: Connection, *, schema: str | None = None, **kw: Any
    ) -> ItemsView[TableKey, list[ReflectedForeignKeyConstraint]]:
        """Like :meth:`get_foreign_keys`, for many tables."""
        build = partial(records.foreign_keys, schema=schema)
        return _multi(build, connection, catalog.FOREIGN_KEYS, schema=schema, **kw)

    def get_multi_unique_constraints(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, list[ReflectedUniqueConstraint]]:
        """Like :meth:`get_unique_constraints`, for many tables."""
        return _multi(records.unique_constraints, connection, catalog.UNIQUE_CONSTRAINTS, **kw)

    def get_multi_check_constraints(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, list[ReflectedCheckConstraint]]:
        """Like :meth:`get_check_constraints`, for many tables."""
        return _multi(records.check_constraints, connection, catalog.CHECK_CONSTRAINTS, **kw)

    def get_multi_indexes(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, list[ReflectedIndex]]:
        """Like :meth:`get_indexes`, for many tables."""
        return _multi(records.indexes, connection, catalog.INDEXES, **kw)

    def get_multi_table_comment(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, ReflectedTableComment]:
        """Like :meth:`get_table_comment`, for many tables."""
        return _multi(_comment, connection, None, **kw)

    def get_multi_table_options(
        self, connection: Connection, **kw: Any
    ) -> ItemsView[TableKey, dict[str, Any]]:
        """Like :meth:`get_table_options`, for many tables."""
        return _multi(_options, connection, None, **kw)


def _multi(
    build: Callable[[Entry], _T], connection: Connection, details: Details | None, **kw: Any
) -> ItemsView[TableKey, _T]:
    found = catalog.read(connection, details, **kw)
    return {key: build(entry) for key, entry in found.items()}.items()


def _single(
    multi: Callable[..., Iterable[tuple[TableKey, _T]]],
    connection: Connection,
    table_name: str,
    schema: str | None,
) -> _T:
    found = multi(
        connection,
        schema=schema,
        filter_names=[table_name],
        scope=ObjectScope.ANY,
        kind=ObjectKind.ANY,
    )
    for _, value in found:
        return value
    raise NoSuchTableError(f"{schema}.{table_name}" if schema else table_name)


def _comment(entry: Entry) -> ReflectedTableComment:
    return {"text": entry.comment}


def _options(entry: Entry) -> dict[str, Any]:
    return {}
