"""The loading half of ``StorageEngine``: its methods that create, fill and drop tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_args

from mixpanel_data import write
from mixpanel_data.database import Database
from mixpanel_data.exceptions import MetadataError
from mixpanel_data.names import check_table_name
from mixpanel_data.tables import managed_table
from mixpanel_data.types import OnConflict, TableMetadata, TableType
from mixpanel_data.write import Load, Progress

#: Rows per batch. A batch should fit into the processor's cache; larger ones are slower.
DEFAULT_BATCH_SIZE = 2048


class Loading:
    """Methods that write; each is one transaction."""

    _database: Database

    def create_events_table(
        self,
        name: str,
        data: Iterable[Mapping[str, Any]],
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Create a table of events; table, rows and metadata appear together or not at all.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            data: Dicts with ``event_name`` (str), ``event_time`` (datetime, ISO 8601 string or
                epoch seconds; without a zone it is UTC), ``distinct_id`` (str), ``insert_id``
                (str) and ``properties`` (dict). Iterated once, in the calling thread, and never
                held as a whole.
            metadata: How the events were fetched; its ``type`` must be ``"events"``.
            progress_callback: Called with the number of records so far, after each batch, in the
                calling thread. What it raises aborts the load.
            batch_size: The most records per batch.
            primary_key: Also put the primary key constraint on ``insert_id``. Without it the table
                is smaller and loads faster, and loading still keeps ids unique.
            on_conflict: When an ``insert_id`` occurs again: ``"ignore"`` keeps the first event,
                ``"replace"`` the last, ``"error"`` raises.

        Returns:
            The number of rows in the table.

        Raises:
            TableNameError: No table can have that name. It is a ``ValueError``.
            MetadataError: The metadata is not that of events. It is a ``ValueError``.
            TableExistsError: The table exists. It is left as it is and ``data`` is not touched.
            RecordError: A record cannot be stored; ``index`` and ``field`` say which.
            DuplicateRecordError: An id occurs again and ``on_conflict`` is ``"error"``.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        load = _load("events", name, data, metadata, progress_callback, batch_size, on_conflict)
        with self._database.writing(name) as connection:
            return write.create(connection, load, primary_key=primary_key)

    def create_profiles_table(
        self,
        name: str,
        data: Iterable[Mapping[str, Any]],
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Create a table of profiles; table, rows and metadata appear together or not at all.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            data: Dicts with ``distinct_id`` (str), ``properties`` (dict) and, where known,
                ``last_seen`` (as ``event_time`` of events, or None).
            metadata: How the profiles were fetched; its ``type`` must be ``"profiles"``.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: The most records per batch.
            primary_key: Also put the primary key constraint on ``distinct_id``.
            on_conflict: As for :meth:`create_events_table`, by ``distinct_id``.

        Returns:
            The number of rows in the table.

        Raises:
            MixpanelDataError: As :meth:`create_events_table`.
        """
        load = _load("profiles", name, data, metadata, progress_callback, batch_size, on_conflict)
        with self._database.writing(name) as connection:
            return write.create(connection, load, primary_key=primary_key)

    def append_events_table(
        self,
        name: str,
        data: Iterable[Mapping[str, Any]],
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Add events to a table; all of them, or none when anything goes wrong.

        The recorded range of dates widens and filters are merged.

        Args:
            name: A table of events.
            data: As for :meth:`create_events_table`.
            metadata: How the added events were fetched.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: The most records per batch.
            on_conflict: When an ``insert_id`` occurs again, in ``data`` or in the table:
                ``"ignore"`` keeps the first event, ``"replace"`` the last, ``"error"`` raises.

        Returns:
            The number of rows by which the table grew.

        Raises:
            TableNotFoundError: There is no such table of ours.
            MetadataError: The table holds profiles, or the metadata is not that of events.
            WriteConflictError: Another engine in this process is changing the same table.
            MixpanelDataError: Otherwise as :meth:`create_events_table`.
        """
        load = _load("events", name, data, metadata, progress_callback, batch_size, on_conflict)
        with self._database.writing(name) as connection:
            return write.append(connection, load)

    def append_profiles_table(
        self,
        name: str,
        data: Iterable[Mapping[str, Any]],
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Add profiles to a table; all of them, or none when anything goes wrong.

        Args:
            name: A table of profiles.
            data: As for :meth:`create_profiles_table`.
            metadata: How the added profiles were fetched.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: The most records per batch.
            on_conflict: As for :meth:`append_events_table`; ``"replace"`` brings profiles up to
                date.

        Returns:
            The number of rows by which the table grew.

        Raises:
            MixpanelDataError: As :meth:`append_events_table`.
        """
        load = _load("profiles", name, data, metadata, progress_callback, batch_size, on_conflict)
        with self._database.writing(name) as connection:
            return write.append(connection, load)

    def drop_table(self, name: str) -> None:
        """Drop a table with its rows and metadata, for good.

        Raises:
            TableNameError: The name is that of an internal table, or no name at all.
            TableNotFoundError: There is no such table.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        check_table_name(name)
        with self._database.writing(name) as connection:
            write.drop(connection, name)


def _load(
    kind: TableType,
    name: str,
    data: Iterable[Mapping[str, Any]],
    metadata: TableMetadata,
    progress: Progress | None,
    batch_size: int,
    on_conflict: OnConflict,
) -> Load:
    """Check the arguments of a load before anything is touched."""
    from mixpanel_data.records import RecordBatches

    table = managed_table(kind, check_table_name(name))
    if metadata.type != kind:
        raise MetadataError("type", f"is {metadata.type!r}. Use {kind!r} for a table of {kind}.")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}. Use a positive number of records.")
    if on_conflict not in get_args(OnConflict):
        raise ValueError(f"on_conflict is {on_conflict!r}. Use one of {get_args(OnConflict)}.")
    batches = RecordBatches(data, table, batch_size)
    return Load(table, batches, metadata, on_conflict, progress)
