"""Methods of ``StorageEngine`` for tables as a whole: drop, rename, adopt."""

from __future__ import annotations

from typing import get_args

from mixpanel_data.common.names import check_table_name
from mixpanel_data.database.handle import Database
from mixpanel_data.ingest import adoption
from mixpanel_data.schema import table_lifecycle
from mixpanel_data.types import TableMetadata, TableType


class TableMethods:
    """Methods of :class:`StorageEngine` for whole tables. Each call is one transaction."""

    _database: Database

    def drop_table(self, name: str) -> None:
        """Drop a table with its rows and metadata.

        Raises:
            TableNameError: The name is not allowed, such as that of an internal table.
            TableNotFoundError: There is no such table.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        check_table_name(name)
        with self._database.write_transaction(name) as connection:
            table_lifecycle.drop_table(connection, name)

    def drop_all(self, type: TableType | None = None) -> list[str]:  # noqa: A002
        """Drop all events and profiles tables, all at once. Other tables stay.

        Args:
            type: ``"events"`` or ``"profiles"`` to drop these only.

        Returns:
            The names of the tables that were dropped, sorted.

        Raises:
            ValueError: There is no such type.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> from mixpanel_data import StorageEngine
            >>> with StorageEngine.memory() as storage:
            ...     storage.drop_all()
            []
        """
        if type not in (None, *get_args(TableType)):
            raise ValueError(f"type is {type!r}. Use one of {get_args(TableType)}, or None.")
        with self._database.write_transaction("") as connection:
            return table_lifecycle.drop_tables(connection, type)

    def rename_table(self, old: str, new: str) -> None:
        """Rename a table, with its metadata.

        Args:
            old: Its name.
            new: Letters, digits and underscores, not starting with an underscore.

        Raises:
            TableNameError: A name is not allowed.
            TableNotFoundError: There is no table of the old name.
            TableExistsError: There is a table or view of the new name.
            QueryError: An index besides the key keeps DuckDB from renaming it.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        check_table_name(old)
        check_table_name(new)
        with self._database.write_transaction(old) as connection:
            table_lifecycle.rename_table(connection, old, new)

    def adopt_table(self, name: str, metadata: TableMetadata) -> None:
        """Make a table that was created otherwise one of ours, if it has what ours have.

        It needs the same columns in any order, their types, a key in every row that no other row
        has, and what a load could have stored: JSON objects as properties, without NaN and members
        that occur twice, and times between the years 1 and 9999. It does not need a primary key
        constraint: loads keep keys unique without one. Columns that are NOT NULL in our tables
        become so.

        Args:
            name: The table.
            metadata: How its rows were fetched; its ``type`` says what the table is to be.

        Raises:
            TableNameError: The name is not allowed.
            TableNotFoundError: There is no such table.
            TableExistsError: It is one of ours already.
            TableShapeError: It lacks something; the message says what. It is a ``ValueError``.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     _ = storage.execute_rows(
            ...         "CREATE TABLE users AS SELECT 'a' AS distinct_id, "
            ...         "'{}'::JSON AS properties, NULL::TIMESTAMP AS last_seen"
            ...     )
            ...     storage.adopt_table("users", TableMetadata("profiles", datetime(2025, 2, 1)))
            ...     [table.name for table in storage.list_tables()]
            ['users']
        """
        check_table_name(name)
        with self._database.ddl_transaction(name) as connection:
            adoption.adopt_table(connection, name, metadata)
