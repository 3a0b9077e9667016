"""Read export files with DuckDB, in parallel.

SQL converts ordinary lines. It returns every other line as text, for the functions of
:mod:`mixpanel_data.ingest.export_records`, which define the format in full. A file that DuckDB
cannot read at all is left to the reader in Python. So SQL is only a fast path for the common case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from glob import escape
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, Table

from mixpanel_data.common import times
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.database.settings import Resources
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.exceptions import TimeUnitError
from mixpanel_data.ingest import export_records
from mixpanel_data.ingest.clock import MICROSECONDS, Clock
from mixpanel_data.ingest.export_records import Names, Record
from mixpanel_data.ingest.export_sql import UNIT_DIGITS, Form, export_query, paths_variable
from mixpanel_data.ingest.file_integrity import IntegrityCheck, beginning_of, compression_of
from mixpanel_data.ingest.json_validation import bad_number_at, too_deep_at
from mixpanel_data.ingest.record_batches import RecordBatches, arrow_schema
from mixpanel_data.ingest.repeated_members import without_repeated_members
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.shapes import SHAPES, Shape, shape_of
from mixpanel_data.ingest.sources import LocalFile, Source
from mixpanel_data.types import TableType

#: Rows of a batch.
BATCH_SIZE = 5_000

#: The most threads that read. More would only wait for the threads that store.
MAX_THREADS = 4

#: Bytes at the end of an array.
_END = 64

#: Bytes of a file that are looked at, for the shape of its first line.
_BEGINNING = 64 * 1024

#: Memory that DuckDB's JSON reader needs, and memory of its buffers for every thread.
_BASE_MEMORY = 256 * 2**20
_THREAD_MEMORY = 128 * 2**20

_CONVERTERS: dict[TableType, Callable[[bytes, Clock, Names], Record]] = {
    "events": export_records.event_of,
    "profiles": export_records.profile_of,
}


class UnsupportedByDuckDBError(Exception):
    """DuckDB cannot read the files. The reader in Python may, or can tell what is wrong."""


@dataclass(frozen=True)
class ExportFiles:
    """Files of one kind of export.

    Attributes:
        kind: What the lines are.
        forms: The form of each file, in the order in which they are read.
    """

    kind: TableType
    forms: dict[Path, Form]

    @classmethod
    def of(cls, kind: TableType, sources: list[Source]) -> ExportFiles | None:
        """Return the files that sources are, None where DuckDB has no way to read one of them."""
        forms: dict[Path, Form] = {}
        for source in sources:
            # Rows tell only the name of their file: the same one twice would count as one source.
            if not isinstance(source, LocalFile) or source.path in forms:
                return None
            try:
                form = _form(source.path, kind)
            except OSError:  # which the reader in Python names
                return None
            if form is None:
                return None
            forms[source.path] = form
        return cls(kind, forms)

    def batches(self, table: Table, resources: Resources, checks: RowChecks) -> FileBatches:
        """Return the rows of all files, read by DuckDB.

        Args:
            table: The table the rows are for.
            resources: The threads and the memory that reading may use at most.
            checks: What the rows go through.
        """
        return FileBatches(self, table, resources, checks)


class FileBatches:
    """An iterator of Arrow record batches over the lines of export files.

    A second, empty DuckDB in memory reads the files. In the DuckDB that stores the rows, the
    threads would all wait for batches, with none left to produce them.

    Attributes:
        schema: Arrow schema of the batches.
        expressions: Empty: the batches hold the cells as they are stored.

    Raises:
        UnsupportedByDuckDBError: While iterating: DuckDB cannot read the files, a line is bad, or
            the times of events are in different units.
    """

    def __init__(
        self, files: ExportFiles, table: Table, resources: Resources, checks: RowChecks
    ) -> None:
        self._checks = checks
        self._file: str | None = None
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._files = files
        self._table = table
        (self._json,) = (column.name for column in table.c if isinstance(column.type, JSON))
        self._convert = _CONVERTERS[files.kind]
        threads = min(resources.threads, MAX_THREADS)
        memory = min(resources.memory, _BASE_MEMORY + threads * _THREAD_MEMORY)
        self._settings = {
            "threads": str(threads),
            "memory_limit": f"{memory}B",
            "temp_directory": "",  # no spilling
        }

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Read the files."""
        try:
            with (
                IntegrityCheck([*self._files.forms], self._checks.max_decompressed_bytes) as check,
                duckdb.connect(":memory:", config={**self._settings}) as reader,
            ):
                with defer_keyboard_interrupt(), driver_errors():
                    batches = self._read(reader)
                with batches:
                    for batch in batches:
                        if check.failed:
                            break
                        yield self._completed(batch)
                check.join()
                if check.failed:
                    raise UnsupportedByDuckDBError
        except (duckdb.Error, pa.ArrowException, OSError, ValueError, TimeUnitError) as error:
            raise UnsupportedByDuckDBError from error

    def _read(self, reader: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
        forms = self._files.forms
        groups = [(form, list(paths)) for form, paths in groupby(forms, forms.__getitem__)]
        for number, (_, paths) in enumerate(groups):
            variable = paths_variable(number)
            reader.execute(f"SET VARIABLE {variable} = $1", [[escape(str(path)) for path in paths]])
        clock = self._checks.clock
        has_records = any(form.shape.is_record for form, _ in groups)
        query = export_query(
            [form for form, _ in groups],
            clock.unit,
            in_utc=clock.zone is None,
            with_files=len(forms) > 1,
            are_derived=has_records and bool(self._checks.property_columns()),
        )
        # With a bound parameter, DuckDB 1.5 would read all files before the first batch.
        try:
            return reader.sql(query).to_arrow_reader(BATCH_SIZE)
        except duckdb.OutOfMemoryException:  # wide documents: each thread holds 2,048 of them
            reader.execute("SET threads = 1")
            return reader.sql(query).to_arrow_reader(BATCH_SIZE)

    def _completed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert the lines that SQL did not, and fill in their rows."""
        place = batch.schema.get_field_index(self._json)
        documents = batch.column(place)
        if too_deep_at(documents) is not None or bad_number_at(documents) is not None:
            raise UnsupportedByDuckDBError
        documents = without_repeated_members(documents)
        batch = batch.set_column(place, batch.schema.field(place), documents)
        lines = batch.column("line")
        is_event = self._files.kind == "events"
        by_clock = self._checks.clock.zone is not None and is_event
        is_local = np.full(batch.num_rows, by_clock)
        if is_event:
            self._note_units(batch)
        if lines.null_count < len(lines):
            records = [
                self._convert(line.encode(), self._checks.clock, self._checks.property_columns)
                for line in lines.drop_null().to_pylist()
            ]
            if is_event:
                is_local[np.array(lines.is_valid())] = _take_times(records)
            unfinished = RecordBatches(records, self._table, None, RowChecks(is_part=True))
            converted = pa.Table.from_batches(unfinished).combine_chunks()
            for position, name in enumerate(self.schema.names):
                cells = converted.column(name).chunk(0)
                filled = pc.replace_with_mask(batch.column(position), lines.is_valid(), cells)
                batch = batch.set_column(position, name, filled)
        rows = pa.record_batch(batch.columns[: len(self.schema)], schema=self.schema)
        parts = [
            self._checks.finished(rows.slice(start, end - start), is_local[start:end])
            for start, end in self._files_in(batch)
        ]
        if len(parts) == 1:
            return parts[0]
        return pa.Table.from_batches(parts, self.schema).combine_chunks().to_batches()[0]

    def _files_in(self, batch: pa.RecordBatch) -> Iterator[tuple[int, int]]:
        """Yield where the rows of each file begin and end, and begin with its ids when they do."""
        if len(self._files.forms) == 1 or self._files.kind != "events":
            yield 0, batch.num_rows
            return
        runs = pc.run_end_encode(batch.column("file"))
        start = 0
        for end, file in zip(runs.run_ends.to_pylist(), runs.values.to_pylist(), strict=True):
            if file != self._file:
                self._file = file
                self._checks.identities.forget()
            yield start, end
            start = end

    def _note_units(self, batch: pa.RecordBatch) -> None:
        """Tell the clock the units that the numbers of a batch show."""
        if self._checks.clock.unit != "auto":
            return
        digits = np.array(batch.column("time_digits").fill_null(0))
        fewer = 0
        for unit, most in UNIT_DIGITS.items():
            rows = np.flatnonzero((digits > fewer) & (digits <= most))
            if len(rows):
                microseconds = batch.column("event_time").cast(pa.int64())[rows[0]].as_py()
                self._checks.clock.units.setdefault(unit, microseconds // MICROSECONDS[unit])
            fewer = most


def _take_times(records: list[Record]) -> list[bool]:
    """Put plain times into the records of events.

    Returns:
        Which of them are of the clock's time zone.
    """
    is_local = []
    for record in records:
        count, local = record["event_time"]
        record["event_time"] = times.moment(count)
        is_local.append(local)
    return is_local


def _form(path: Path, kind: TableType) -> Form | None:
    """Return the form of a file.

    None where DuckDB cannot read it: it reads lines, plain, gzip or zstd, and one plain array.
    """
    if not path.is_file():  # a pipe can be read only once
        return None
    with path.open("rb") as file:
        start = file.read(_BEGINNING)
        compression = compression_of(start)
        if compression is not None:
            line = beginning_of(path, compression, _BEGINNING).partition(b"\n")[0]
            return Form(compression, "newline_delimited", _shape_of(line, kind))
        if start.lstrip().startswith(b"{"):
            shape = _shape_of(start.lstrip().partition(b"\n")[0], kind)
            return Form("uncompressed", "newline_delimited", shape)
        file.seek(max(0, path.stat().st_size - _END))
        # DuckDB takes an array that breaks off after a comma for a whole one.
        is_array = start.lstrip().startswith(b"[") and file.read().rstrip().endswith(b"]")
        return Form("uncompressed", "array", _shape_of(b"", kind)) if is_array else None


def _shape_of(line: bytes, kind: TableType) -> Shape:
    """Return the shape of a line of JSON, and that of exports where it has none."""
    try:
        return shape_of(orjson.loads(line), kind)
    except ValueError:
        return next(shape for shape in SHAPES if shape.kind == kind)
