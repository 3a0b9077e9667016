"""Run a load: choose the reader for the data, and load its batches in one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from mixpanel_data.common.open_files import is_open
from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.database.handle import Database
from mixpanel_data.exceptions import (
    DuplicateRecordError,
    OutOfMemoryError,
    RecordDayError,
    RecordError,
)
from mixpanel_data.ingest import shared_load
from mixpanel_data.ingest.arrow_batches import ArrowBatches, is_arrow
from mixpanel_data.ingest.bad_rows import BadRows, rejects_file, require_rejects
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.destination import choose
from mixpanel_data.ingest.export_reader import ExportData, place_of, records_of
from mixpanel_data.ingest.export_scan import ExportFiles, UnsupportedByDuckDBError
from mixpanel_data.ingest.frames import frame_records, is_pandas, with_index
from mixpanel_data.ingest.given_data import is_record, records_in, require_rows
from mixpanel_data.ingest.insert_stream import Batches
from mixpanel_data.ingest.load import Loaded, Space, append, create
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.ingest.record_batches import RecordBatches
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.sources import LocalFile, Objects, Source, find_sources
from mixpanel_data.schema import catalog, property_columns
from mixpanel_data.schema.table_lifecycle import drop_table
from mixpanel_data.types import LoadResult, TimeUnit

#: With this many rows or more, a new primary key is not written to the WAL.
LARGE_KEY = 100_000

#: Data of which the first item can be looked at without reading it.
_LISTS = (list, tuple)

#: Makes the batches of a load.
MakeBatches = Callable[[RowChecks], Batches]


def load_data(database: Database, options: LoadOptions, data: Any) -> LoadResult:
    """Load dicts, or anything that can be read as Arrow.

    Raises:
        TypeError: The data is neither.
        ValueError: It is a generator that was used up.
    """
    require_rows(options, data)
    return _load(database, options, lambda checks: _batches_of(options, data, checks))


def load_exports(
    database: Database, options: LoadOptions, data: ExportData, argument: str = "data"
) -> LoadResult:
    """Load exports: with DuckDB where they are files of lines, in Python all others.

    Args:
        database: Where to.
        options: The table, and how to load it.
        data: The exports.
        argument: What the caller knows them as.
    """
    database.require_open()
    database.require_writable()
    sources = find_sources(data, argument)
    try:
        return _load_sources(database, options, sources)
    except (DuplicateRecordError, RecordDayError) as error:
        place = place_of(sources, error.index, options.max_decompressed_bytes)
        if place is not None:
            error.add_place(*place)
        raise


def _load_sources(database: Database, options: LoadOptions, sources: list[Source]) -> LoadResult:
    paths = [source.path for source in sources if isinstance(source, LocalFile)]
    count = sum(not isinstance(source, Objects) for source in sources)
    files = ExportFiles.of(options.kind, sources)
    if files is not None:
        resources = database.resources()
        try:
            return _load(
                database,
                options,
                lambda checks: files.batches(options.table, resources, checks),
                files=count,
                sources=paths,
            )
        except UnsupportedByDuckDBError:
            pass  # the reader in Python knows more forms, or says what is wrong
    return _load(
        database,
        options,
        lambda checks: RecordBatches(
            records_of(options.kind, sources, checks), options.table, None, checks
        ),
        files=count,
        sources=paths,
    )


def load_days(
    database: Database, options: LoadOptions, data: Any, time_unit: TimeUnit | None
) -> LoadResult:
    """Load records, Arrow or exports, whichever they are.

    Args:
        database: Where to.
        options: The table, and how to load it.
        data: The data. Of an iterator nothing is read before the table is found.
        time_unit: Unit of times that are numbers; None for the one that such data has by default.
    """
    of_records = replace(options, time_unit=time_unit or "s")
    of_exports = replace(options, time_unit=time_unit or "auto")
    if is_arrow(data) or (isinstance(data, _LISTS) and is_record(next(iter(data), None))):
        return load_data(database, of_records, data)
    if isinstance(data, (*_LISTS, str, os.PathLike)) or hasattr(data, "read"):
        return load_exports(database, of_exports, data)

    require_rows(options, data)

    def make_batches(checks: RowChecks) -> Batches:
        rows = iter(data)
        first = next(rows, None)
        given = () if first is None else chain([first], rows)
        if is_record(first):
            return _batches_of(options, given, checks)
        checks.clock.unit = of_exports.time_unit
        return RecordBatches(
            records_of(options.kind, find_sources(given), checks), options.table, None, checks
        )

    return _load(database, of_records, make_batches)


def _batches_of(options: LoadOptions, data: Any, checks: RowChecks) -> Batches:
    """Return the batches of dicts, or of Arrow."""
    if is_arrow(data):
        try:
            return ArrowBatches(data, options.table, options.batch_size, checks)
        except RecordError as error:
            if error.__cause__ is None or not is_pandas(data):
                raise
            # A cell keeps its column from becoming Arrow.
            data = frame_records(with_index(data, options.table.columns.keys()))
    return RecordBatches(records_in(data), options.table, options.batch_size, checks)


def _load(
    database: Database,
    options: LoadOptions,
    make_batches: MakeBatches,
    *,
    files: int = 0,
    sources: Sequence[Path] = (),
) -> LoadResult:
    started = time.monotonic()
    if options.rejects_path is not None:
        _require_other_file(options.rejects_path, database, sources)
        require_rejects(options.rejects_path)
    load = _load_alone if not database.is_shared else _load_beside_others
    with _advise_about_memory():
        loaded, bad, checks = load(database, options, make_batches)
    discarded = loaded.discarded
    return LoadResult(
        loaded.added,
        read=loaded.rows + bad.count,
        replaced=discarded.replaced,
        duplicates=discarded.duplicates,
        collisions=discarded.collisions,
        rejected=bad.count,
        generated_ids=checks.identities.made,
        misfits=loaded.misfits,
        files=files,
        seconds=time.monotonic() - started,
    )


def _load_alone(
    database: Database, options: LoadOptions, make_batches: MakeBatches
) -> tuple[Loaded, BadRows, RowChecks]:
    """Load in one transaction."""
    transaction = database.write_transaction if options.must_exist else database.ddl_transaction
    with (
        ExitStack() as after_commit,
        transaction(options.name) as connection,
        rejects_file(options.rejects_path) as rejects,
    ):
        bad, checks = _checks(database, options, rejects)
        chosen = choose(connection, options)
        if chosen == "replace":
            drop_table(connection, options.name)
        run = append if chosen == "append" else create
        space = Space(database.load_budget, database.unencrypted_path)
        with _input_positions(bad):
            loaded = run(connection, options, make_batches(checks), space)
        if options.primary_key and run is create and loaded.added >= LARGE_KEY:
            after_commit.enter_context(database.without_wal())
        bad.log(options.name)
    return loaded, bad, checks


def _load_beside_others(
    database: Database, options: LoadOptions, make_batches: MakeBatches
) -> tuple[Loaded, BadRows, RowChecks]:
    """Load into a database that others write to at the same time."""
    with rejects_file(options.rejects_path) as rejects:
        bad, checks = _checks(database, options, rejects)
        space = Space(database.load_budget, None, database.lay_out)
        with _input_positions(bad):
            loaded = shared_load.load(
                database, options, choose, lambda: make_batches(checks), space
            )
        bad.log(options.name)
    return loaded, bad, checks


def _checks(database: Database, options: LoadOptions, rejects: Any) -> tuple[BadRows, RowChecks]:
    bad = BadRows(skip=options.on_error == "skip", rejects=rejects)

    @cache
    def names() -> frozenset[str]:
        columns = options.property_columns
        if options.must_exist or options.if_exists == "append":
            with database.catalog_connection() as connection:  # that of the load is busy
                if (found := catalog.find_table(connection, options.name)) is not None:
                    columns = property_columns.find_all(connection, [found])[found]
        return frozenset(column.column_name for column in columns)

    clock = Clock(options.time_unit, options.zone)
    return bad, RowChecks(
        clock,
        bad,
        property_columns=names,
        max_decompressed_bytes=options.max_decompressed_bytes,
    )


@contextmanager
def _input_positions(bad: BadRows) -> Iterator[None]:
    """Let errors name the position of a row in the input, not among those that were loaded."""
    try:
        yield
    except (DuplicateRecordError, RecordDayError) as error:
        raise error.at(bad.index_of(error.index)) from error.__cause__


def _require_other_file(rejects: Path, database: Database, sources: Sequence[Path]) -> None:
    """Raise when writing the rejects would replace a database that is open, or what is read.

    Raises:
        ValueError: It would.
    """
    wal = None if database.path is None else wal_of(database.path.resolve())
    is_read = rejects.exists() and any(source.samefile(rejects) for source in sources)
    if is_read or rejects.resolve() == wal or is_open(rejects):
        raise ValueError(
            f"rejects is {rejects}, which this load reads, or which is a database that is open in "
            "this process, or its log. Use another file."
        )


@contextmanager
def _advise_about_memory() -> Iterator[None]:
    """Add to an error for lack of memory how to give a load more."""
    try:
        yield
    except OutOfMemoryError as error:
        raise error.while_loading() from error.__cause__
