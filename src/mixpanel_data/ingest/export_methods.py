"""Methods of ``StorageEngine`` that load Mixpanel's exports."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mixpanel_data.database.handle import Database
from mixpanel_data.ingest.options import LoadOptions, Progress
from mixpanel_data.schema.property_columns import resolved
from mixpanel_data.types import (
    IfExists,
    LoadResult,
    OnCollision,
    OnConflict,
    OnError,
    TableMetadata,
    TimeUnit,
)

if TYPE_CHECKING:
    from mixpanel_data.ingest.export_reader import ExportData
    from mixpanel_data.ingest.methods import PropertyColumns


class ExportMethods:
    """Methods of :class:`StorageEngine` that load exports. Each call is one transaction."""

    _database: Database

    def load_events_export(
        self,
        name: str,
        path: ExportData,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
        on_collision: OnCollision = "drop",
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        time_unit: TimeUnit = "auto",
        time_zone: str | None = None,
        if_exists: IfExists = "fail",
        property_columns: PropertyColumns = (),
        max_decompressed_bytes: int | None = None,
    ) -> LoadResult:
        """Load events from Mixpanel's raw export files, read by DuckDB in parallel.

        The rows are those that :func:`read_events_export` gives for the same files.

        Args:
            name: The table to create.
            path: A file, a folder, a pattern such as ``"exports/*.jsonl.gz"``, a URL, an open
                binary file, an iterable of lines or objects, or a list of files, which are loaded
                in this order; as for :func:`read_events_export`. Files of lines, plain or gzip,
                and of one array are read by DuckDB, all others in Python.
            metadata: How the events were fetched.
            progress_callback: As for :meth:`create_events_table`. The count starts again when
                DuckDB cannot read the files and they are read in Python instead.
            primary_key: As for :meth:`create_events_table`.
            on_conflict: As for :meth:`create_events_table` and :meth:`append_events_table`.
            on_collision: As for :meth:`create_events_table`.
            on_error: What to do with a line that is no event: ``"raise"`` ends the load,
                ``"skip"`` leaves it out, counts it and logs why. A file that breaks off within a
                line, or whose compressed data does, counts as one bad line.
            rejects: As for :meth:`create_events_table`; ``file`` and ``number`` are those of the
                line.
            time_unit: Unit of times that are numbers: ``"s"``, ``"ms"`` or ``"us"``; by default
                their size tells it, and different units in one load are an error.
            time_zone: As for :meth:`create_events_table`.
            if_exists: As for :meth:`create_events_table`.
            property_columns: As for :meth:`create_events_table`.
            max_decompressed_bytes: Bytes that each archive may unpack to; by default a thousand
                times its size, and 64 MiB in any case.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

        Raises:
            ExportLineError: A line is not an event; ``path`` and ``line`` say which.
            ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.
            TimeUnitError: The times are in different units, and ``time_unit`` is ``"auto"``.
            MixpanelDataError: As :meth:`create_events_table` or :meth:`append_events_table`.
        """
        options = LoadOptions(
            "events",
            name,
            metadata,
            progress_callback,
            primary_key=primary_key,
            on_conflict=on_conflict,
            on_collision=on_collision,
            on_error=on_error,
            rejects=rejects,
            time_unit=time_unit,
            time_zone=time_zone,
            if_exists=if_exists,
            property_columns=resolved("events", property_columns),
            max_decompressed_bytes=max_decompressed_bytes,
        )
        return self._load_exports(options, path)

    def load_profiles_export(
        self,
        name: str,
        path: ExportData,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        primary_key: bool = True,
        on_conflict: OnConflict = "ignore",
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        if_exists: IfExists = "fail",
        property_columns: PropertyColumns = (),
        max_decompressed_bytes: int | None = None,
    ) -> LoadResult:
        """Load profiles from Mixpanel's export files, read by DuckDB in parallel.

        The rows are those that :func:`read_profiles_export` gives for the same files.

        Args:
            name: The table to create.
            path: As for :meth:`load_events_export`.
            metadata: How the profiles were fetched.
            progress_callback: As for :meth:`load_events_export`.
            primary_key: As for :meth:`create_profiles_table`.
            on_conflict: As for :meth:`create_profiles_table` and :meth:`append_profiles_table`.
            on_error: As for :meth:`load_events_export`.
            rejects: As for :meth:`load_events_export`.
            if_exists: As for :meth:`create_events_table`.
            property_columns: As for :meth:`create_events_table`.
            max_decompressed_bytes: As for :meth:`load_events_export`.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

        Raises:
            MixpanelDataError: As :meth:`load_events_export`.
        """
        options = LoadOptions(
            "profiles",
            name,
            metadata,
            progress_callback,
            primary_key=primary_key,
            on_conflict=on_conflict,
            on_error=on_error,
            rejects=rejects,
            if_exists=if_exists,
            property_columns=resolved("profiles", property_columns),
            max_decompressed_bytes=max_decompressed_bytes,
        )
        return self._load_exports(options, path)

    def _load_exports(self, options: LoadOptions, data: ExportData) -> LoadResult:
        from mixpanel_data.ingest.runner import load_exports

        return load_exports(self._database, options, data, "path")
