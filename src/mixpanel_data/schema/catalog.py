"""What is in the database, read through SQLAlchemy's inspector."""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    func,
    inspect,
    literal,
    select,
    table,
    text,
    union_all,
)

from mixpanel_data.common.nearest import nearest
from mixpanel_data.common.times import as_utc
from mixpanel_data.exceptions import TableNameError, TableNotFoundError
from mixpanel_data.schema import metadata_rows, property_columns
from mixpanel_data.schema.metadata_rows import Recorded
from mixpanel_data.schema.tables import (
    INTERNAL_NAMES,
    METADATA_TABLE,
    STALE_COLUMNS_TABLE,
    managed_table,
)
from mixpanel_data.types import (
    ColumnInfo,
    PropertyColumn,
    TableInfo,
    TableList,
    TableMetadata,
    TableSchema,
    TableType,
)

_STORAGE_VERSION = text(
    "SELECT system.main.map_extract_value(tags, 'storage_version') "
    "FROM system.main.duckdb_databases() "
    "WHERE database_name = system.main.current_database()"
)

_IS_INDEXED = text(
    "SELECT system.main.bool_or(index_count > 0) "
    "FROM system.main.duckdb_tables() "
    "WHERE table_name = :name AND database_name = system.main.current_database()"
)


def find_table(connection: Connection, name: str, *, views: bool = False) -> str | None:
    """Return the name of a table as the catalog spells it, None when there is none.

    DuckDB ignores the case of the letters A to Z in names. Internal tables are never found.

    Args:
        connection: Connection to the database.
        name: Name in any case.
        views: Search the views as well.
    """
    inspector = inspect(connection)
    names = inspector.get_table_names() + (inspector.get_view_names() if views else [])
    return _spelled(name, names)


def _spelled(name: str, names: list[str]) -> str | None:
    """Return a name of the user's as it is spelled among the names of a catalog.

    Raises:
        TableNameError: It is no text.
    """
    if not isinstance(name, str):
        raise TableNameError(name)
    from mixpanel_data.dialect.sql.names import fold

    found = {fold(other): other for other in names if other not in INTERNAL_NAMES}
    return found.get(fold(name))


def not_found(connection: Connection, name: str) -> TableNotFoundError:
    """Return the error about a table that is not there, with the nearest name."""
    inspector = inspect(connection)
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    return TableNotFoundError(name, nearest(name, set(names) - set(INTERNAL_NAMES)))


def managed_tables(connection: Connection) -> dict[str, TableType]:
    """Return the names of the events and profiles tables with their types, sorted by name.

    Works with every revision of the schema.
    """
    kind = func.system.main.min(METADATA_TABLE.c.type).label("type")
    return {row.table_name: row.type for row in _recorded(connection, kind)}


def unrecorded_tables(connection: Connection) -> list[str]:
    """Return the names of tables with our columns that have no metadata, sorted."""
    managed = managed_tables(connection)
    shapes = [managed_table(kind, "_").c.keys() for kind in get_args(TableType)]
    found = inspect(connection).get_multi_columns()
    return sorted(
        name
        for (_, name), columns in found.items()
        if name not in managed and [column["name"] for column in columns] in shapes
    )


def list_tables(connection: Connection) -> TableList:
    """Return the events and profiles tables, sorted by name, with their current row counts."""
    columns = METADATA_TABLE.c
    kind = func.system.main.min(columns.type).label("type")
    fetched_at = func.system.main.max(columns.fetched_at).label("fetched_at")
    rows = _recorded(connection, kind, fetched_at)
    counts = _count_rows(connection, [row.table_name for row in rows])
    return TableList(
        TableInfo(row.table_name, row.type, counts[row.table_name], as_utc(row.fetched_at))
        for row in rows
    )


def _recorded(connection: Connection, *columns: ColumnElement[Any]) -> list[Row[Any]]:
    """Return aggregates of the metadata of each existing table, ordered by ``table_name``."""
    names = inspect(connection).get_table_names()
    if METADATA_TABLE.name not in names:
        return []
    name = METADATA_TABLE.c.table_name
    found = connection.execute(select(name, *columns).group_by(name).order_by(name))
    return [row for row in found if row.table_name in names]


def _count_rows(connection: Connection, names: list[str]) -> dict[str, int]:
    """Count the rows of many tables in one statement; DuckDB counts without reading columns."""
    if not names:
        return {}
    counts = [
        select(
            literal(name).label("name"), func.system.main.count_star().label("rows")
        ).select_from(table(name))
        for name in names
    ]
    return {row.name: row.rows for row in connection.execute(union_all(*counts))}


def get_schema(connection: Connection, name: str) -> TableSchema:
    """Return the columns of a table or view of the user.

    Raises:
        TableNotFoundError: There is none of that name, or it is an internal table.
    """
    inspector = inspect(connection)
    names = inspector.get_table_names()
    found = _spelled(name, names + inspector.get_view_names())
    if found is None:
        raise not_found(connection, name)
    own: dict[str, PropertyColumn] = {}
    if STALE_COLUMNS_TABLE.name in names:
        own = property_columns.recorded(connection, [found]).get(found, {})
    key = inspector.get_pk_constraint(found)["constrained_columns"]
    columns = [
        ColumnInfo(
            name=column["name"],
            type=column["duckdb_type"],  # type: ignore[typeddict-item]
            nullable=column["nullable"],
            primary_key=column["name"] in key,
            property=own[column["name"]].property if column["name"] in own else None,
            stale=column["name"] in own and own[column["name"]].stale,
        )
        for column in inspector.get_columns(found)
    ]
    return TableSchema(found, columns)


def is_indexed(connection: Connection, name: str) -> bool:
    """Tell whether a table has an index, such as that of a primary key.

    Args:
        connection: Connection to the database.
        name: Name as the catalog spells it.
    """
    return bool(connection.scalar(_IS_INDEXED, {"name": name}))


def find_metadata(connection: Connection, name: str) -> Recorded:
    """Return the metadata of a managed table.

    Raises:
        TableNotFoundError: There is no managed table of that name.
    """
    names = inspect(connection).get_table_names()
    found = _spelled(name, names)
    if found is None or METADATA_TABLE.name not in names:
        raise not_found(connection, name)
    recorded = metadata_rows.read(connection, found)
    if recorded is None:
        raise not_found(connection, name)
    return recorded


def get_metadata(connection: Connection, name: str) -> TableMetadata:
    """Return how and when the rows of a managed table were fetched.

    Raises:
        TableNotFoundError: There is no managed table of that name.
    """
    row = find_metadata(connection, name)
    return TableMetadata(
        type=row.type,
        fetched_at=row.fetched_at,
        from_date=row.from_date and row.from_date.isoformat(),
        to_date=row.to_date and row.to_date.isoformat(),
        filter_events=row.filter_events,
        filter_where=row.filter_where,
    )


def document_compression(connection: Connection) -> str | None:
    """Return the compression method for JSON in the current database, None to let DuckDB choose.

    Zstandard stores export lines in a fifth of the space of DuckDB's choice, in less time. It needs
    storage version 1.2. DuckDB 1.5 creates files of version 1.0 by default, where it would not
    compress at all.
    """
    version = connection.scalar(_STORAGE_VERSION)  # such as v1.2.0+, None in memory
    if version is None:
        return None
    major, minor, *_ = version.removeprefix("v").split(".")
    return "zstd" if (int(major), int(minor)) >= (1, 2) else None
