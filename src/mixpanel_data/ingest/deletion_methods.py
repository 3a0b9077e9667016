"""Methods of ``StorageEngine`` that delete rows: those of a person, and old ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from mixpanel_data.common.names import check_table_name
from mixpanel_data.common.values import identifier, microseconds, moment
from mixpanel_data.database.handle import Database
from mixpanel_data.ingest import deletion


class DeletionMethods:
    """Methods of :class:`StorageEngine` that delete rows. Each call is one transaction."""

    _database: Database

    def erase(self, distinct_ids: str | Iterable[str | int]) -> dict[str, int]:
        """Delete the events and profiles of people from all events and profiles tables.

        An id is compared with ``distinct_id`` as a whole, in its case. What mentions it elsewhere,
        such as a property or a table of your own, stays; see ``docs/privacy.md``.

        Args:
            distinct_ids: The ids, or a single one. A number is the id that its digits make.

        Returns:
            How many rows were deleted, by table; 0 for a table that had none.

        Raises:
            ValueError: An id is neither text nor a number.
            WriteConflictError: Another connection is changing one of the tables. Nothing was
                deleted.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "ada", "properties": {}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.erase(["ada"])
            {'users': 1}
        """
        given = [distinct_ids] if isinstance(distinct_ids, (str, int)) else distinct_ids
        try:
            ids = [identifier(value) for value in given]
        except ValueError as error:
            raise ValueError(f"A distinct id {error}") from error
        with self._database.write_transaction("") as connection:
            return deletion.delete_people(connection, ids)

    def delete_events(self, table: str, *, before: datetime | date | str) -> int:
        """Delete the events of a table that happened before a moment.

        The recorded range of dates starts with the day of that moment afterwards. A table that
        ended earlier is empty and has no range.

        Args:
            table: The table.
            before: A day, a datetime or an ISO 8601 string; UTC when it has no time zone. Events
                at exactly this moment stay.

        Returns:
            How many events were deleted.

        Raises:
            TableNotFoundError: There is no events table of that name.
            ValueError: It holds profiles, or ``before`` is not a time.
            WriteConflictError: Another connection is changing the table. Nothing was deleted.
            DatabaseReadOnlyError: The engine was opened read-only.

        Example:
            >>> from datetime import date, datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("events", fetched_at=datetime(2025, 2, 1))
            ...     event = {
            ...         "event_name": "Sign Up",
            ...         "event_time": datetime(2024, 12, 31),
            ...         "distinct_id": "ada",
            ...         "properties": {},
            ...     }
            ...     _ = storage.create_events_table("events", [event], metadata)
            ...     storage.delete_events("events", before=date(2025, 1, 1))
            1
        """
        check_table_name(table)
        try:
            first = moment(microseconds(before)).replace(tzinfo=None)
        except ValueError as error:
            raise ValueError(f"before {error}") from error
        with self._database.write_transaction(table) as connection:
            return deletion.delete_before(connection, table, first)
