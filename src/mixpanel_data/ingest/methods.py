"""Load methods of ``StorageEngine``: create, append to and drop tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from mixpanel_data.common.names import check_table_name
from mixpanel_data.database.handle import Database
from mixpanel_data.ingest.options import LoadOptions, Progress
from mixpanel_data.schema.table_lifecycle import drop_table
from mixpanel_data.types import OnConflict, TableMetadata

if TYPE_CHECKING:
    from mixpanel_data.ingest.export_reader import ExportData


class ArrowStream(Protocol):
    """Data with the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the data."""
        ...


Data = Iterable[Mapping[str, Any]] | ArrowStream


class LoadMethods:
    """Load methods of :class:`StorageEngine`. Each call is one transaction."""

    _database: Database

    def create_events_table(
        self,
        name: str,
        data: Data,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int | None = None,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Create a table of events with its rows and metadata, in one transaction.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            data: Dicts with ``event_name`` (str), ``event_time`` (datetime, ISO 8601 string or
                epoch seconds; UTC when it has no time zone), ``distinct_id`` (str), ``insert_id``
                (str) and ``properties`` (dict). Or a pandas or polars DataFrame, a pyarrow table
                or reader, a DuckDB relation, or anything else with the Arrow C stream interface,
                with these columns; ``properties`` as JSON text, a struct or a map. Consumed once,
                in the calling thread, batch by batch.
            metadata: How the events were fetched; its ``type`` must be ``"events"``.
            progress_callback: Called with the number of records so far, after each batch, in the
                calling thread. An exception that it raises aborts the load.
            batch_size: The most rows per batch; by default 2,048 dicts, or 65,536 rows of Arrow.
            primary_key: Add a primary key constraint on ``insert_id``. Without it the table is
                smaller and loads faster, and loads still keep ids unique.
            on_conflict: Which event to keep when an ``insert_id`` occurs again: ``"ignore"`` keeps
                the first, ``"replace"`` the last, ``"error"`` raises.

        Returns:
            The number of rows in the table.

        Raises:
            TableNameError: The name is not allowed. It is a ``ValueError``.
            MetadataError: The metadata is not that of events. It is a ``ValueError``.
            TableExistsError: The table exists. It is not changed, and ``data`` is not consumed.
            RecordError: A record cannot be stored; ``index`` and ``field`` say which.
            DuplicateRecordError: An id occurs again and ``on_conflict`` is ``"error"``.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        options = LoadOptions(
            "events",
            name,
            metadata,
            progress_callback,
            batch_size=batch_size,
            primary_key=primary_key,
            on_conflict=on_conflict,
        )
        return self._load(options, data)

    def create_profiles_table(
        self,
        name: str,
        data: Data,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int | None = None,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Create a table of profiles with its rows and metadata, in one transaction.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            data: Dicts with ``distinct_id`` (str), ``properties`` (dict) and, where known,
                ``last_seen`` (as ``event_time`` of events, or None); or Arrow data, as for
                :meth:`create_events_table`.
            metadata: How the profiles were fetched; its ``type`` must be ``"profiles"``.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: As for :meth:`create_events_table`.
            primary_key: Add a primary key constraint on ``distinct_id``.
            on_conflict: As for :meth:`create_events_table`, by ``distinct_id``.

        Returns:
            The number of rows in the table.

        Raises:
            MixpanelDataError: As :meth:`create_events_table`.
        """
        options = LoadOptions(
            "profiles",
            name,
            metadata,
            progress_callback,
            batch_size=batch_size,
            primary_key=primary_key,
            on_conflict=on_conflict,
        )
        return self._load(options, data)

    def append_events_table(
        self,
        name: str,
        data: Data,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int | None = None,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Add events to a table, in one transaction.

        The metadata of the table is merged: it covers the dates and filters of old and new rows.

        Args:
            name: A table of events.
            data: As for :meth:`create_events_table`.
            metadata: How the added events were fetched.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: As for :meth:`create_events_table`.
            on_conflict: Which event to keep when an ``insert_id`` occurs again, in ``data`` or in
                the table: ``"ignore"`` keeps the first, ``"replace"`` the last, ``"error"`` raises.

        Returns:
            The number of rows by which the table grew.

        Raises:
            TableNotFoundError: There is no events or profiles table of that name.
            MetadataError: The table holds profiles, or the metadata is not that of events.
            WriteConflictError: Another engine in this process is changing the same table.
            MixpanelDataError: Otherwise as :meth:`create_events_table`.
        """
        options = LoadOptions(
            "events",
            name,
            metadata,
            progress_callback,
            append=True,
            batch_size=batch_size,
            on_conflict=on_conflict,
        )
        return self._load(options, data)

    def append_profiles_table(
        self,
        name: str,
        data: Data,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        batch_size: int | None = None,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Add profiles to a table, in one transaction.

        Args:
            name: A table of profiles.
            data: As for :meth:`create_profiles_table`.
            metadata: How the added profiles were fetched.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: As for :meth:`create_events_table`.
            on_conflict: As for :meth:`append_events_table`; ``"replace"`` updates profiles.

        Returns:
            The number of rows by which the table grew.

        Raises:
            MixpanelDataError: As :meth:`append_events_table`.
        """
        options = LoadOptions(
            "profiles",
            name,
            metadata,
            progress_callback,
            append=True,
            batch_size=batch_size,
            on_conflict=on_conflict,
        )
        return self._load(options, data)

    def load_events_export(
        self,
        name: str,
        path: ExportData,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        append: bool = False,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Load events from Mixpanel's raw export files, read by DuckDB in parallel.

        The rows are those that :func:`read_events_export` gives for the same files.

        Args:
            name: The table to create.
            path: A file, a folder, a pattern such as ``"exports/*.jsonl.gz"``, a URL, an open
                binary file, an iterable of lines or objects, or a list of files, which are loaded
                in this order; as for :func:`read_events_export`. Files of lines, plain or gzip,
                are read by DuckDB, all others in Python.
            metadata: How the events were fetched.
            progress_callback: As for :meth:`create_events_table`. The count starts again when
                DuckDB cannot read the files and they are read in Python instead.
            append: Add to an existing table instead of creating one.
            primary_key: As for :meth:`create_events_table`.
            on_conflict: As for :meth:`create_events_table` and :meth:`append_events_table`.

        Returns:
            The number of rows by which the table grew.

        Raises:
            ExportLineError: A line is not an event; ``path`` and ``line`` say which.
            ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.
            MixpanelDataError: As :meth:`create_events_table` or :meth:`append_events_table`.
        """
        options = LoadOptions(
            "events",
            name,
            metadata,
            progress_callback,
            append=append,
            primary_key=primary_key,
            on_conflict=on_conflict,
        )
        return self._load_exports(options, path)

    def load_profiles_export(
        self,
        name: str,
        path: ExportData,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        append: bool = False,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
    ) -> int:
        """Load profiles from Mixpanel's export files, read by DuckDB in parallel.

        The rows are those that :func:`read_profiles_export` gives for the same files.

        Args:
            name: The table to create.
            path: As for :meth:`load_events_export`.
            metadata: How the profiles were fetched.
            progress_callback: As for :meth:`load_events_export`.
            append: Add to an existing table instead of creating one.
            primary_key: As for :meth:`create_profiles_table`.
            on_conflict: As for :meth:`create_profiles_table` and :meth:`append_profiles_table`.

        Returns:
            The number of rows by which the table grew.

        Raises:
            MixpanelDataError: As :meth:`load_events_export`.
        """
        options = LoadOptions(
            "profiles",
            name,
            metadata,
            progress_callback,
            append=append,
            primary_key=primary_key,
            on_conflict=on_conflict,
        )
        return self._load_exports(options, path)

    def drop_table(self, name: str) -> None:
        """Drop a table with its rows and metadata.

        Raises:
            TableNameError: The name is not allowed, such as that of an internal table.
            TableNotFoundError: There is no such table.
            DatabaseReadOnlyError: The engine was opened read-only.
        """
        check_table_name(name)
        with self._database.write_transaction(name) as connection:
            drop_table(connection, name)

    def _load(self, options: LoadOptions, data: Data) -> int:
        from mixpanel_data.ingest.runner import load_data

        return load_data(self._database, options, data)

    def _load_exports(self, options: LoadOptions, data: ExportData) -> int:
        from mixpanel_data.ingest.runner import load_exports

        return load_exports(self._database, options, data)
