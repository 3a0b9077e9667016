"""Export files, read by DuckDB itself, in parallel.

SQL takes the lines that are as nearly all are. It hands out every other line as it is, for the
functions of :mod:`mixpanel_data.ingest.export_reader`, which know the rules in full, and a file
that DuckDB cannot read at all goes to their reader. There is one set of rules, and a fast path for
the common case.
"""

from __future__ import annotations

import errno
import gzip
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import JSON, Table

from mixpanel_data.common.open_files import require_no_database
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.common.values import MAX_DEPTH
from mixpanel_data.database.settings import Resources
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.ingest import export_reader
from mixpanel_data.ingest.export_reader import Record
from mixpanel_data.ingest.json_validation import too_deep_at
from mixpanel_data.ingest.record_batches import RecordBatches, arrow_schema
from mixpanel_data.types import TableType

if TYPE_CHECKING:
    from typing_extensions import Self

ExportPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

#: Rows of a batch.
BATCH_SIZE = 5_000

#: The most threads that read. More would only wait for those that store.
MOST_THREADS = 4

#: What DuckDB's reader of JSON needs, and what its buffers take for every thread.
_BASE_MEMORY = 256 * 2**20
_THREAD_MEMORY = 128 * 2**20

#: No line of an export has fewer bytes.
_SHORTEST = 30

_CHUNK = 1024 * 1024

#: Shorter lines are not nested so deep that DuckDB 1.5 would crash over them.
_LONG_LINE = 50_000

# A comma before a closing bracket is no JSON, but DuckDB's parser lets it pass.
_TRAILING_COMMA = r",\s*[}\]]"


@dataclass(frozen=True)
class _FastPath:
    """How SQL reads the common case of a line.

    Attributes:
        members: JSON paths of what to take out of a line: ``m[1]``, ``m[2]``, ... as JSON.
        moved: What takes the columns out of the properties, as a patch. ``rest`` is what is left.
        condition: What holds for them in the common case. Where a member is there twice, DuckDB
            takes the first and JSON's readers the last, so the lengths have to be those of one.
        columns: The columns of the table, made of them.
        convert: Makes the same columns of any line, or raises ``ValueError``.
    """

    members: list[str]
    moved: str
    condition: str
    columns: dict[str, str]
    convert: Callable[[bytes], Record]


_SHORT_CUTS: dict[TableType, _FastPath] = {
    "events": _FastPath(
        members=[
            "$.event",
            "$.properties.time",
            "$.properties.distinct_id",
            '$.properties."$insert_id"',
            "$.properties",
            "$",
        ],
        moved='{"time": null, "distinct_id": null, "$insert_id": null}',
        condition="""starts_with(m[1]::VARCHAR, '"')
            AND regexp_full_match(m[2]::VARCHAR, '[0-9]{1,11}')
            AND starts_with(m[3]::VARCHAR, '"')
            AND starts_with(m[4]::VARCHAR, '"') AND m[4]::VARCHAR <> '""'
            AND starts_with(m[5]::VARCHAR, '{')
            AND strlen(m[6]) = strlen('{"event":,"properties":}') + strlen(m[1]) + strlen(m[5])
            AND strlen(m[5]) - strlen(rest) = strlen('"time":"distinct_id":"$insert_id":')
                + strlen(m[2]) + strlen(m[3]) + strlen(m[4]) + if(rest = '{}', 2, 3)""",
        columns={
            "event_name": "m[1]->>'$'",
            "event_time": "make_timestamp(CAST(m[2]::VARCHAR AS BIGINT) * 1000000)",
            "distinct_id": "m[3]->>'$'",
            "insert_id": "m[4]->>'$'",
            "properties": "rest",
        },
        convert=export_reader.event_of,
    ),
    "profiles": _FastPath(
        members=['$."$distinct_id"', '$."$properties"."$last_seen"', '$."$properties"', "$"],
        moved='{"$last_seen": null}',
        condition=r"""starts_with(m[1]::VARCHAR, '"') AND starts_with(m[3]::VARCHAR, '{')
            AND (m[2] IS NULL OR regexp_full_match(m[2]::VARCHAR,
                '"[1-9]\d{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d"')
                AND TRY_CAST(m[2]->>'$' AS TIMESTAMP) IS NOT NULL)
            AND strlen(m[4]) - strlen(m[1]) - strlen(m[3])
                = strlen('{"$distinct_id":,"$properties":}')
            AND strlen(m[3]) - strlen(rest) = if(m[2] IS NULL, 0,
                strlen('"$last_seen":') + strlen(m[2]) + if(rest = '{}', 0, 1))""",
        columns={
            "distinct_id": "m[1]->>'$'",
            "properties": "rest",
            "last_seen": "TRY_CAST(m[2]->>'$' AS TIMESTAMP)",
        },
        convert=export_reader.profile_of,
    ),
}


class UnsupportedByDuckDBError(Exception):
    """DuckDB cannot read the files. Their own reader may, or says what is wrong with them."""


@dataclass(frozen=True)
class ExportFiles:
    """Files of one kind of export.

    Attributes:
        kind: What the lines are.
        paths: The files, in the order in which they are read.
    """

    kind: TableType
    paths: list[Path]

    @classmethod
    def find(cls, kind: TableType, paths: ExportPaths) -> ExportFiles:
        """Find the files of a path, a pattern such as ``export-*.jsonl.gz``, or several of these.

        Raises:
            FileNotFoundError: A path or pattern names no file.
            DatabaseFileError: One of them is a database that is open in this process.
        """
        several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        found = [match for path in several for match in _matches(path)]
        for path in found:
            require_no_database(path)
        return cls(kind, found)

    def records(self) -> Iterator[Record]:
        """Iterate over the records of all files, in Python."""
        read = {
            "events": export_reader.read_events_export,
            "profiles": export_reader.read_profiles_export,
        }
        return chain.from_iterable(map(read[self.kind], self.paths))

    def batches(self, table: Table, resources: Resources) -> FileBatches:
        """Return the rows of all files, read by DuckDB.

        Args:
            table: The table the rows are for.
            resources: What reading may take at most.
        """
        return FileBatches(self, table, resources)


class FileBatches:
    """An iterator of Arrow record batches over the lines of export files.

    They are read in a DuckDB of their own. The threads of the one that stores wait for batches, and
    would not be there to make some.

    Attributes:
        schema: Arrow schema of the batches.
        expressions: Empty: the batches hold what the table shall hold.

    Raises:
        UnsupportedByDuckDBError: While iterating: DuckDB cannot read the files.
    """

    def __init__(self, files: ExportFiles, table: Table, resources: Resources) -> None:
        self.schema = arrow_schema(table)
        self.expressions: dict[str, str] = {}
        self._files = files
        self._table = table
        (self._json,) = (column.name for column in table.c if isinstance(column.type, JSON))
        self._convert = _SHORT_CUTS[files.kind].convert
        threads = min(resources.threads, MOST_THREADS)
        memory = min(resources.memory, _BASE_MEMORY + threads * _THREAD_MEMORY)
        self._settings = {
            "threads": str(threads),
            "memory_limit": f"{memory}B",
            "temp_directory": "",
        }

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Read the files."""
        try:
            with (
                _Checks(self._files.paths) as checks,
                duckdb.connect(":memory:", config={**self._settings}) as reader,
            ):
                with defer_keyboard_interrupt(), driver_errors():
                    batches = self._read(reader)
                with batches:
                    yield from map(self._completed, batches)
                checks.join()
                if checks.failed:
                    raise UnsupportedByDuckDBError
        except (duckdb.Error, pa.ArrowException, OSError, ValueError) as error:
            raise UnsupportedByDuckDBError from error

    def _read(self, reader: duckdb.DuckDBPyConnection) -> pa.RecordBatchReader:
        short_cut = _SHORT_CUTS[self._files.kind]
        sources = []
        for number, (compression, paths) in enumerate(groupby(self._files.paths, _compression)):
            reader.execute(f"SET VARIABLE paths_{number} = $1", [[str(path) for path in paths]])
            sources.append(_FILES.format(variable=f"paths_{number}", compression=compression))
        query = _QUERY.format(
            files=" UNION ALL ".join(sources),
            long=_LONG_LINE,
            max_depth=MAX_DEPTH,
            members=", ".join(f"'{path}'" for path in short_cut.members),
            condition=short_cut.condition,
            trailing_comma=_TRAILING_COMMA,
            moved=short_cut.moved,
            made=", ".join(f"{name}: {value}" for name, value in short_cut.columns.items()),
            taken=", ".join(f"r.{name}" for name in short_cut.columns),
        )
        # Without parameters, because DuckDB 1.5 would read all files before it gives anything.
        return reader.sql(query).to_arrow_reader(BATCH_SIZE)

    def _completed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Put the lines that SQL did not take into their rows."""
        if too_deep_at(batch.column(batch.schema.get_field_index(self._json))) is not None:
            raise UnsupportedByDuckDBError
        lines = batch.column("line")
        if lines.null_count < len(lines):
            records = map(self._convert, map(str.encode, lines.drop_null().to_pylist()))
            made = pa.Table.from_batches(RecordBatches(records, self._table)).combine_chunks()
            for position, name in enumerate(self.schema.names):
                cells = made.column(name).chunk(0)
                filled = pc.replace_with_mask(batch.column(position), lines.is_valid(), cells)
                batch = batch.set_column(position, name, filled)
        return batch.select(self.schema.names)


class _Checks(threading.Thread):
    """Looks in another thread for what DuckDB overlooks: wrong checksums, files of one byte.

    Args:
        paths: The files.

    Attributes:
        failed: True when there was something.
    """

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(name="mixpanel_data-checks", daemon=True)
        self.failed = False
        self._paths = paths
        self._wanted = True

    def __enter__(self) -> Self:
        """Start looking."""
        with defer_keyboard_interrupt():
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give up, unless all is done."""
        self._wanted = False
        self.join()

    def run(self) -> None:
        """Look at the files."""
        try:
            self.failed = any(self._size_of(path) < _SHORTEST for path in self._paths)
        except (*export_reader.DAMAGED, OSError):
            self.failed = True

    def _size_of(self, path: Path) -> int:
        if not export_reader.is_compressed(path):
            return path.stat().st_size
        size = 0
        with gzip.open(path) as file:
            while self._wanted and (chunk := file.read(_CHUNK)):
                size += len(chunk)
        return size


def _matches(path: str | os.PathLike[str]) -> list[Path]:
    given = Path(path)
    if given.exists():
        return [given]
    folder = Path(given.anchor)
    found = sorted(folder.glob(str(given.relative_to(folder)))) if given.name else []
    if not found:
        raise FileNotFoundError(errno.ENOENT, "There is no such export file", str(given))
    return found


def _compression(path: Path) -> str:
    return "gzip" if export_reader.is_compressed(path) else "uncompressed"


# Events have less than 1 MB. The default of 16 MB takes too large a buffer for every thread.
_FILES = (
    "SELECT json FROM read_ndjson_objects(getvariable('{variable}'), "
    "compression = '{compression}', maximum_object_size = 2000000)"
)

_QUERY = """
    WITH lines AS ({files}),
    safe AS (
        SELECT json::VARCHAR AS line, if(strlen(line) > {long}
            AND strlen(line) - strlen(replace(replace(line, '[', ''), '{{', '')) > {max_depth},
            NULL, json) AS json
        FROM lines
    ),
    taken_apart AS (
        SELECT line, json_extract(json, [{members}]) AS m,
            json_merge_patch(m[-2], '{moved}')::VARCHAR AS rest FROM safe
    ),
    made AS (
        SELECT CASE
            WHEN {condition} AND NOT regexp_matches(line, '{trailing_comma}')
                AND NOT contains(rest, 'NaN') AND NOT contains(rest, 'Infinity')
            THEN {{{made}}} END AS r, line
        FROM taken_apart
    )
    SELECT {taken}, if(r IS NULL, line, NULL) AS line FROM made
"""
