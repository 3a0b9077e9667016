"""Methods of ``StorageEngine`` that delete rows, and their bytes: of a person, and old ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from mixpanel_data.common.names import check_table_name
from mixpanel_data.common.times import microseconds, moment
from mixpanel_data.common.values import identifier
from mixpanel_data.database.handle import Database
from mixpanel_data.ingest import deletion
from mixpanel_data.types import CompactionResult


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
        is_one = isinstance(distinct_ids, (str, bytes)) or not isinstance(distinct_ids, Iterable)
        given: Iterable[object] = [distinct_ids] if is_one else distinct_ids
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

    def compact(self) -> CompactionResult:
        """Write the file anew, so that it gets smaller and has nothing of what was deleted.

        A copy of everything that is in the database takes the place of the file in one step: if the
        process or the machine dies, there is the old file or the new one. The disk needs room for
        both. Permissions, encryption, storage version and symbolic links stay as they are.

        The database is closed for that and opened again, and other threads wait. Afterwards
        :attr:`~StorageEngine.connection` is a new one; relations, temporary tables and settings
        made in SQL are gone.

        Returns:
            The size of the file before and afterwards.

        Raises:
            DatabaseInUseError: This process has a session, a stream or another connection open,
                or something is not committed. The message says what to close; and that the
                engine is closed, if only closing it has shown that.
            CompactionError: The database is in memory, its file has hard links, or DuckDB cannot
                copy something in it: a trigger, a table with rows that refer to others of it.
            DatabaseReadOnlyError: The engine was opened read-only.
            DatabaseMovedError: The file was moved or replaced.
            DiskFullError: There is no room for the copy.
            DatabaseLockedError: Another program has opened the file meanwhile. If it was in the
                moment after the exchange, the engine is closed.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.ephemeral() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = ({"distinct_id": n, "properties": {}} for n in range(100_000))
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.drop_table("users")
            ...     result = storage.compact()
            >>> result.bytes_after < result.bytes_before
            True
        """
        return self._database.compact()
