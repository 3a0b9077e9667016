"""Run a load: choose the reader for the data, and load its batches in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from mixpanel_data.database.handle import Database
from mixpanel_data.exceptions import OutOfMemoryError
from mixpanel_data.ingest.arrow_batches import ArrowBatches, is_arrow
from mixpanel_data.ingest.export_reader import ExportData, records_of
from mixpanel_data.ingest.export_scan import ExportFiles, UnsupportedByDuckDBError
from mixpanel_data.ingest.insert_stream import Batches
from mixpanel_data.ingest.load import append, create
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.ingest.record_batches import RecordBatches
from mixpanel_data.ingest.sources import find_sources

#: With this many rows or more, a new primary key is not written to the WAL.
LARGE_KEY = 100_000


def load_data(database: Database, options: LoadOptions, data: Any) -> int:
    """Load dicts, or anything that can be read as Arrow.

    Returns:
        The number of rows by which the table grew.
    """
    batches = ArrowBatches if is_arrow(data) else RecordBatches
    return _load(database, options, batches(data, options.table, options.batch_size))


def load_exports(database: Database, options: LoadOptions, data: ExportData) -> int:
    """Load exports: with DuckDB where they are files of lines, in Python all others.

    Returns:
        The number of rows by which the table grew.
    """
    sources = find_sources(data)
    files = ExportFiles.of(options.kind, sources)
    if files is not None:
        try:
            return _load(database, options, files.batches(options.table, database.resources()))
        except UnsupportedByDuckDBError:
            pass  # the reader in Python knows more forms, or says what is wrong
    return load_data(database, options, records_of(options.kind, sources))


def _load(database: Database, options: LoadOptions, batches: Batches) -> int:
    run = append if options.append else create
    transaction = database.write_transaction if options.append else database.ddl_transaction
    with (
        _advise_about_memory(),
        ExitStack() as after_commit,
        transaction(options.name) as connection,
    ):
        rows = run(connection, options, batches, database.load_budget)
        if options.primary_key and not options.append and rows >= LARGE_KEY:
            after_commit.enter_context(database.without_log())
        return rows


@contextmanager
def _advise_about_memory() -> Iterator[None]:
    """Add to an error for lack of memory how to give a load more."""
    try:
        yield
    except OutOfMemoryError as error:
        raise error.while_loading() from error.__cause__
