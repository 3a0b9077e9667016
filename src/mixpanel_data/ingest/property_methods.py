"""Methods of ``StorageEngine`` for columns of their own that properties have."""

from __future__ import annotations

from collections.abc import Iterable

from mixpanel_data.common.names import check_table_name
from mixpanel_data.database.handle import Database
from mixpanel_data.schema import catalog, property_columns
from mixpanel_data.types import PropertyColumn


class PropertyMethods:
    """Property columns of :class:`StorageEngine`. Each call is one transaction."""

    _database: Database

    def add_property_columns(
        self, table: str, properties: Iterable[PropertyColumn | str]
    ) -> list[PropertyColumn]:
        """Give properties columns of their own in a table, filled from its documents.

        A query over such a column is many times as fast as one over the document. Every later load
        fills it. The document keeps the property.

        Args:
            table: An events or profiles table.
            properties: Names of properties, or :class:`PropertyColumn` with a type or another name
                for the column. Without a type it is the one that all values in the table have:
                ``BIGINT``, ``DOUBLE``, ``BOOLEAN``, ``JSON`` for lists and objects, else
                ``VARCHAR``.

        Returns:
            The new columns with their names and types, as :meth:`property_columns` gives them.

        Raises:
            TableNotFoundError: There is no such table of ours.
            PropertyColumnError: A property has a column already, or the name of the column is
                taken. It is a ``ValueError``.
            WriteConflictError: Another engine in this process is changing the same table.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "user-1", "properties": {"$city": "Zürich"}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     _ = storage.add_property_columns("users", ["$city"])
            ...     storage.execute_rows('SELECT "$city" FROM users')
            [('Zürich',)]
        """
        from mixpanel_data.schema import property_lifecycle

        check_table_name(table)
        with self._database.write_transaction(table) as connection:
            return property_lifecycle.add(connection, table, properties)

    def drop_property_columns(self, table: str, properties: Iterable[PropertyColumn | str]) -> None:
        """Drop the columns of properties. The documents keep the properties.

        Args:
            table: An events or profiles table.
            properties: Names of properties that have a column.

        Raises:
            TableNotFoundError: There is no such table of ours.
            PropertyColumnError: A property has no column.
            TableShapeError: An index of a user depends on a column.
            WriteConflictError: Another engine in this process is changing the same table.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        from mixpanel_data.schema import property_lifecycle

        check_table_name(table)
        with self._database.write_transaction(table) as connection:
            property_lifecycle.drop(connection, table, properties)

    def property_columns(self, table: str) -> list[PropertyColumn]:
        """Return the property columns of a table, in their order.

        Args:
            table: An events or profiles table.

        Raises:
            TableNotFoundError: There is no such table of ours.
        """
        with self._database.catalog_connection() as connection:
            found = catalog.find_metadata(connection, table)
            return list(property_columns.find(connection, found.table_name))

    def refresh_property_columns(self, table: str) -> int:
        """Fill the property columns of a table where they are not what its documents say.

        Loads, and classes that declare them, keep them right. Other classes mark them as stale; SQL
        that changes ``properties`` does nothing. None is stale afterwards.

        Args:
            table: An events or profiles table.

        Returns:
            The number of rows that changed.

        Raises:
            TableNotFoundError: There is no such table of ours.
            WriteConflictError: Another engine in this process is changing the same table.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        from mixpanel_data.schema import property_lifecycle

        check_table_name(table)
        with self._database.write_transaction(table) as connection:
            return property_lifecycle.refresh(connection, table)
