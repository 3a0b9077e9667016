"""The tables, declared once.

DDL, the Arrow schema of a load, the checks on records and the migrations' check all derive from
the columns below. The caller chooses the name of each table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Date,
    DateTime,
    MetaData,
    String,
    Table,
)

from mixpanel_data.dialect.driver.stale_columns import MARKS, RECORDS
from mixpanel_data.dialect.reflection.key_columns import KEY_COLUMNS, METADATA
from mixpanel_data.schema.property_sql import sql_column
from mixpanel_data.types import PropertyColumn, TableType

# Keys of ``Column.info``.

#: Identifies an event: rows with the same key that differ here are not duplicates.
IDENTITY = "identity"

#: A record may leave the column out.
OPTIONAL = "optional"

#: Holds ids: a number becomes its text.
IDENTIFIER = "identifier"

#: None becomes an empty text.
BLANK = "blank"

#: Holds the time of an event, of which :class:`~mixpanel_data.ingest.clock.Clock` knows more.
CLOCK = "clock"


def _info(*keys: str) -> dict[str, bool]:
    return dict.fromkeys(keys, True)


def _events_columns() -> list[Column[Any]]:
    return [
        Column("event_name", String, nullable=False, info=_info(IDENTITY)),
        Column("event_time", DateTime, nullable=False, info=_info(IDENTITY, CLOCK)),
        Column("distinct_id", String, nullable=False, info=_info(IDENTITY, IDENTIFIER, BLANK)),
        Column(
            KEY_COLUMNS["events"], String, primary_key=True, info=_info(IDENTIFIER, BLANK, OPTIONAL)
        ),
        Column("properties", JSON),
    ]


def _profiles_columns() -> list[Column[Any]]:
    return [
        Column(KEY_COLUMNS["profiles"], String, primary_key=True, info=_info(IDENTIFIER)),
        Column("properties", JSON),
        Column("last_seen", DateTime, info=_info(OPTIONAL)),
    ]


_COLUMNS: dict[TableType, Callable[[], list[Column[Any]]]] = {
    "events": _events_columns,
    "profiles": _profiles_columns,
}


def managed_columns(kind: TableType) -> list[Column[Any]]:
    """Return new columns of an events or profiles table.

    Args:
        kind: ``"events"`` or ``"profiles"``.
    """
    return _COLUMNS[kind]()


def managed_table(
    kind: TableType,
    name: str,
    metadata: MetaData | None = None,
    *,
    property_columns: Iterable[PropertyColumn] = (),
) -> Table:
    """Declare an events or profiles table.

    Args:
        kind: ``"events"`` or ``"profiles"``.
        name: Name of the table.
        metadata: Collection to add the table to, by default one of its own.
        property_columns: The properties with a column of their own. INSERT and UPDATE fill these
            from the documents.

    Example:
        >>> managed_table("profiles", "users").c.keys()
        ['distinct_id', 'properties', 'last_seen']
    """
    columns = [*managed_columns(kind), *map(sql_column, property_columns)]
    return Table(name, MetaData() if metadata is None else metadata, *columns)


def without_key(
    table: Table, name: str, *, compression: str | None = None, **options: Any
) -> Table:
    """Declare the same columns under another name without a primary key; its column stays NOT NULL.

    Args:
        table: The table to take the columns from.
        name: Name of the new table.
        compression: DuckDB's compression method for JSON columns; by default DuckDB chooses.
        options: Options of ``sqlalchemy.Table``, such as ``prefixes=["TEMPORARY"]``.
    """
    columns = [
        Column(column.name, column.type, nullable=column.nullable, info=column.info)
        for column in table.columns
    ]
    for column in columns:
        if compression and isinstance(column.type, JSON):
            column.info = {**column.info, "duckdb_compression": compression}
    return Table(name, MetaData(), *columns, **options)


def key_of(table: Table) -> Column[Any]:
    """Return the primary key column of a managed table."""
    (column,) = table.primary_key.columns
    return column


#: Key of ``Column.info`` in a mapped class: a change inside a document is saved.
TRACKED = "mixpanel_data_tracked"

#: Key of ``Table.info``: the table of a mapped class is an events or profiles table.
MANAGED = "mixpanel_data_managed"

#: The internal tables of the library in every database.
INTERNAL = MetaData()

METADATA_TABLE = Table(
    METADATA,
    INTERNAL,
    Column("table_name", String, primary_key=True),
    Column("type", String, nullable=False),
    Column("fetched_at", DateTime, nullable=False),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("row_count", BigInteger, nullable=False),
    Column("filter_events", ARRAY(String)),
    Column("filter_where", String),
)

#: Which properties of which managed table have a column of their own.
PROPERTY_COLUMNS_TABLE = Table(
    RECORDS,
    INTERNAL,
    Column("table_name", String, primary_key=True),
    Column("property", String, nullable=False),
    Column("column_name", String, primary_key=True),
    Column("type", String, nullable=False),
)

#: Which of these columns a write may have left as they were, each once for every transaction. No
#: key, so that two transactions do not conflict.
STALE_COLUMNS_TABLE = Table(
    MARKS,
    INTERNAL,
    Column("table_name", String, nullable=False),
    Column("column_name", String, nullable=False),
)

#: The internal tables with rows about a managed table.
ABOUT_TABLES = (METADATA_TABLE, PROPERTY_COLUMNS_TABLE, STALE_COLUMNS_TABLE)

#: Alembic's version table. Its name is not Alembic's default, which belongs to the application that
#: shares the file. It has no key because not every DuckDB catalog has keys.
VERSION_TABLE = Table(
    "_mixpanel_data_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
)

INTERNAL_NAMES = frozenset({*INTERNAL.tables, VERSION_TABLE.name})
