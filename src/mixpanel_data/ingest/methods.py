"""Load methods of ``StorageEngine``: create tables, append to them, replace days of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from mixpanel_data.database.handle import Database
from mixpanel_data.ingest.options import LoadOptions, Progress, days_of
from mixpanel_data.schema.property_columns import resolved
from mixpanel_data.types import (
    IfExists,
    LoadResult,
    OnCollision,
    OnConflict,
    OnError,
    PropertyColumn,
    TableMetadata,
    TimeUnit,
)

if TYPE_CHECKING:
    from mixpanel_data.ingest.export_reader import ExportData


class ArrowStream(Protocol):
    """Data with the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the data."""
        ...


Data = Iterable[Mapping[str, Any]] | ArrowStream

#: Names of properties, or property columns.
PropertyColumns = Iterable[PropertyColumn | str]


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
        on_collision: OnCollision = "drop",
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        time_unit: TimeUnit = "s",
        time_zone: str | None = None,
        if_exists: IfExists = "fail",
        property_columns: PropertyColumns = (),
    ) -> LoadResult:
        """Create a table of events with its rows and metadata, in one transaction.

        Args:
            name: Letters, digits and underscores, not starting with an underscore.
            data: Dicts with ``event_name`` (str), ``event_time`` (datetime, ISO 8601 string or
                epoch seconds; UTC when it has no time zone), ``distinct_id`` (str), ``insert_id``
                (str) and ``properties`` (dict). Or a pandas or polars DataFrame, a pyarrow table
                or reader, a DuckDB relation, or anything else with the Arrow C stream interface,
                with these columns; ``properties`` as JSON text, a struct or a map. An ``insert_id``
                that is missing, None or empty is made of the event. Consumed once, in the calling
                thread, batch by batch.
            metadata: How the events were fetched; its ``type`` must be ``"events"``.
            progress_callback: Called with the number of records so far, after each batch, in the
                calling thread. An exception that it raises aborts the load.
            batch_size: The most rows per batch; by default 2,048 dicts, or 65,536 rows of Arrow.
            primary_key: Add a primary key constraint on ``insert_id``. Without it the table is
                smaller and loads faster, and loads still keep ids unique.
            on_conflict: Which event to keep when an ``insert_id`` occurs again: ``"ignore"`` keeps
                the first, ``"replace"`` the last, ``"error"`` raises.
            on_collision: What to do with an event whose ``insert_id`` another event has, one with
                another name, time or user, unless ``on_conflict`` is ``"error"``: ``"drop"`` leaves
                it out, counts it and warns, so that the first event stays, also with ``"replace"``;
                ``"keep"`` stores it under an id of its own, and the given one stays in
                ``properties["$insert_id"]``; ``"error"`` raises.
            on_error: What to do with a record that cannot be stored: ``"raise"`` ends the load,
                ``"skip"`` leaves the record out, counts it and logs why.
            rejects: File to write what was left out to, one JSON object a line, with ``file``,
                ``number``, ``field``, ``reason`` and the record as ``line``. Such a file of an
                earlier load is replaced; one with anything else in it is refused, before anything
                is read. Not touched when the load fails. Only with ``on_error="skip"``.
            time_unit: Unit of times that are numbers: ``"s"``, ``"ms"``, ``"us"``, or ``"auto"``:
                below 1e11 seconds, below 1e14 milliseconds, else microseconds.
            time_zone: Time zone of times that are numbers, or text that names none, such as
                ``"America/Los_Angeles"``, for projects whose ``time`` is local wall-clock time.
            if_exists: What to do when the table exists: ``"fail"`` raises, ``"append"`` adds to it
                as :meth:`append_events_table` does, ``"replace"`` drops it in the same transaction.
            property_columns: Properties that get a column of their own in the new table, filled in
                every load: their names, or :class:`PropertyColumn`. Where the table exists already,
                it must have them.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

        Raises:
            TableNameError: The name is not allowed. It is a ``ValueError``.
            MetadataError: The metadata is not that of events. It is a ``ValueError``.
            TableExistsError: The table exists. It is not changed, and ``data`` is not consumed.
            PropertyColumnError: A property cannot have such a column. It is a ``ValueError``.
            RecordError: A record cannot be stored; ``index`` and ``field`` say which.
            DuplicateRecordError: An id occurs again and ``on_conflict`` is ``"error"``.
            KeyCollisionError: Another event has the id and ``on_collision`` is ``"error"``.
            TimeUnitError: ``time_unit`` is ``"auto"`` and times are in different units.
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
            on_collision=on_collision,
            on_error=on_error,
            rejects=rejects,
            time_unit=time_unit,
            time_zone=time_zone,
            if_exists=if_exists,
            property_columns=resolved("events", property_columns),
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
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        if_exists: IfExists = "fail",
        property_columns: PropertyColumns = (),
    ) -> LoadResult:
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
            on_error: As for :meth:`create_events_table`.
            rejects: As for :meth:`create_events_table`.
            if_exists: As for :meth:`create_events_table`.
            property_columns: As for :meth:`create_events_table`.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

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
            on_error=on_error,
            rejects=rejects,
            if_exists=if_exists,
            property_columns=resolved("profiles", property_columns),
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
        on_collision: OnCollision = "drop",
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        time_unit: TimeUnit = "s",
        time_zone: str | None = None,
    ) -> LoadResult:
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
            on_collision: As for :meth:`create_events_table`.
            on_error: As for :meth:`create_events_table`.
            rejects: As for :meth:`create_events_table`.
            time_unit: As for :meth:`create_events_table`.
            time_zone: As for :meth:`create_events_table`.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

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
            must_exist=True,
            batch_size=batch_size,
            on_conflict=on_conflict,
            on_collision=on_collision,
            on_error=on_error,
            rejects=rejects,
            time_unit=time_unit,
            time_zone=time_zone,
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
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
    ) -> LoadResult:
        """Add profiles to a table, in one transaction.

        Args:
            name: A table of profiles.
            data: As for :meth:`create_profiles_table`.
            metadata: How the added profiles were fetched.
            progress_callback: As for :meth:`create_events_table`.
            batch_size: As for :meth:`create_events_table`.
            on_conflict: As for :meth:`append_events_table`; ``"replace"`` updates profiles.
            on_error: As for :meth:`create_events_table`.
            rejects: As for :meth:`create_events_table`.

        Returns:
            The number of rows by which the table grew, with the other counts of the load.

        Raises:
            MixpanelDataError: As :meth:`append_events_table`.
        """
        options = LoadOptions(
            "profiles",
            name,
            metadata,
            progress_callback,
            must_exist=True,
            batch_size=batch_size,
            on_conflict=on_conflict,
            on_error=on_error,
            rejects=rejects,
        )
        return self._load(options, data)

    def replace_range(
        self,
        name: str,
        data: Data | ExportData,
        from_date: date | str,
        to_date: date | str,
        metadata: TableMetadata,
        progress_callback: Progress | None = None,
        *,
        on_conflict: OnConflict = "ignore",
        on_collision: OnCollision = "drop",
        on_error: OnError = "raise",
        rejects: str | os.PathLike[str] | None = None,
        time_unit: TimeUnit | None = None,
        time_zone: str | None = None,
        max_decompressed_bytes: int | None = None,
    ) -> LoadResult:
        """Put events in the place of those of some days, in one transaction.

        For exports that are fetched again, since late events have come in. An event whose id the
        table has outside of these days is a collision, for its time is another. Data without
        events, such as ``[]``, leaves these days empty, where :meth:`load_events_export` would
        refuse it.

        Args:
            name: A table of events.
            data: Records or Arrow data as for :meth:`create_events_table`, or exports as for
                :meth:`load_events_export`.
            from_date: The first day, in UTC: a date or ``YYYY-MM-DD``.
            to_date: The last day.
            metadata: How the events were fetched.
            progress_callback: As for :meth:`create_events_table`.
            on_conflict: As for :meth:`append_events_table`.
            on_collision: As for :meth:`create_events_table`.
            on_error: As for :meth:`create_events_table`.
            rejects: As for :meth:`create_events_table`.
            time_unit: As for the method that takes such data, and by default what that does.
            time_zone: As for :meth:`create_events_table`.
            max_decompressed_bytes: As for :meth:`load_events_export`.

        Returns:
            The number of rows that were added, with the other counts of the load. ``replaced`` is
            0: what was removed before is not paired with what came.

        Raises:
            ValueError: The days are none, or the first is after the last.
            RecordDayError: An event is not of these days.
            MixpanelDataError: As :meth:`append_events_table`.
        """
        from mixpanel_data.ingest.runner import load_days

        options = LoadOptions(
            "events",
            name,
            metadata,
            progress_callback,
            must_exist=True,
            on_conflict=on_conflict,
            on_collision=on_collision,
            on_error=on_error,
            rejects=rejects,
            time_zone=time_zone,
            days=days_of(from_date, to_date),
            max_decompressed_bytes=max_decompressed_bytes,
        )
        return load_days(self._database, options, data, time_unit)

    def _load(self, options: LoadOptions, data: Data) -> LoadResult:
        from mixpanel_data.ingest.runner import load_data

        return load_data(self._database, options, data)
