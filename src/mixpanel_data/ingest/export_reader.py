"""Mixpanel's exports become records.

Events come as Mixpanel's Raw Event Export API and its JSON pipelines write them, profiles as its
Engage API does; :mod:`~mixpanel_data.ingest.shapes` has the forms.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import IO, Any

from mixpanel_data.common import times
from mixpanel_data.exceptions import ExportFileError, ExportLineError
from mixpanel_data.exceptions.records import AGAIN
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.decompression import is_damage
from mixpanel_data.ingest.export_data import Limits, Rows, read_sources
from mixpanel_data.ingest.export_records import (
    CONVERTERS,
    FIELDS,
    Record,
    parsed,
    require_json,
    rows_of,
)
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.framing import Block
from mixpanel_data.ingest.json_problems import is_end_of_failed_export
from mixpanel_data.ingest.options import check_count
from mixpanel_data.ingest.parquet_files import ParquetRows
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.sources import LocalFile, Source, find_sources
from mixpanel_data.types import TableType

#: Bytes of a document that a message may need.
_SHOWN = 500

_NOT_WHOLE = f"says that the export is not whole. {AGAIN}"

#: Exports as people have them; see :func:`read_events_export`.
ExportData = (
    str
    | os.PathLike[str]
    | IO[bytes]
    | Iterable[str | bytes | os.PathLike[str] | Mapping[str, Any]]
)


def read_events_export(
    data: ExportData, *, max_decompressed_bytes: int | None = None
) -> Iterator[Record]:
    """Iterate over the events of Mixpanel's exports, however they are kept.

    Args:
        data: A file, folder or pattern, a URL (with the extra ``remote``), an open binary file, an
            iterable of lines or objects, or a list of files. What is in it is told by its
            content: lines or arrays of JSON, pages of the Engage API, lines of JSON pipelines or
            Parquet; plain, gzip, zstd, bz2 or zip.
        max_decompressed_bytes: Bytes that each archive may unpack to; by default a thousand times
            its size, and 64 MiB in any case.

    Yields:
        One dict per event with ``event_name``, ``event_time`` (aware UTC), ``distinct_id``,
        ``insert_id`` and ``properties`` (all the others). A number as ``distinct_id`` becomes its
        text, a missing one is empty. A missing ``$insert_id`` is made of the event, and of how
        many equal ones came before it in its file: reading the file again gives the same.
        ``time`` may be in seconds, milliseconds or microseconds.

    Raises:
        ExportLineError: A line or document is no event. It is a ``RecordError`` with ``path`` and
            ``line``.
        ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.
        TimeUnitError: The times are in different units.

    Example:
        >>> from pathlib import Path
        >>> line = '{"event": "Sign Up", "properties": {"time": 1735689600, "distinct_id": 7}}'
        >>> _ = Path("export.jsonl").write_text(line)
        >>> (event,) = read_events_export("export.jsonl")
        >>> event["event_name"], event["distinct_id"], event["event_time"].isoformat()
        ('Sign Up', '7', '2025-01-01T00:00:00+00:00')
    """
    return records_of("events", find_sources(data), _checks(max_decompressed_bytes))


def read_profiles_export(
    data: ExportData, *, max_decompressed_bytes: int | None = None
) -> Iterator[Record]:
    """Iterate over the profiles of Mixpanel's exports, however they are kept.

    Args:
        data: As for :func:`read_events_export`.
        max_decompressed_bytes: As for :func:`read_events_export`.

    Yields:
        One dict per profile with ``distinct_id``, ``properties`` and ``last_seen`` (aware UTC,
        None where ``$last_seen`` is missing or empty).

    Raises:
        ExportLineError: A line or document is no profile. It is a ``RecordError`` with ``path``
            and ``line``.
        ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.
    """
    return records_of("profiles", find_sources(data), _checks(max_decompressed_bytes))


def _checks(max_decompressed_bytes: int | None) -> RowChecks:
    check_count("max_decompressed_bytes", max_decompressed_bytes, "bytes")
    return RowChecks(Clock("auto"), max_decompressed_bytes=max_decompressed_bytes)


def records_of(kind: TableType, sources: list[Source], checks: RowChecks) -> Iterator[Record]:
    """Iterate over the records of sources, one after the other.

    Args:
        kind: What they are.
        sources: Where they are.
        checks: What the rows go through.

    Raises:
        ExportLineError: A document is none of this kind.
        ExportFileError: A source cannot be read.
        TimeUnitError: The times of events are in different units.
    """
    reader = _Reader(kind, checks)
    for source in sources:
        checks.identities.forget()
        yield from reader.records(source)


def place_of(
    sources: list[Source], index: int, max_decompressed_bytes: int | None
) -> tuple[Path, int, str] | None:
    """Return the file, the number and the unit of a document, by its position in all sources.

    Files of this machine are read again up to there. None where others come before it, or a file is
    damaged.
    """
    try:
        for source in sources:
            if not isinstance(source, LocalFile) or not source.path.is_file():
                return None
            for rows in read_sources([source], Limits(max_decompressed_bytes)):
                if not isinstance(rows.content, Block):
                    return None
                if index < len(rows.content.numbers):
                    return Path(rows.source), rows.content.numbers[index], rows.content.unit
                index -= len(rows.content.numbers)
    except ExportFileError:
        pass
    return None


class _Reader:
    """Reads records, and refuses what is none.

    Args:
        kind: What the records are.
        checks: What the rows go through.
    """

    def __init__(self, kind: TableType, checks: RowChecks) -> None:
        self._checks = checks
        self._limits = Limits(checks.max_decompressed_bytes)
        self._convert = CONVERTERS[kind]
        self._properties = FIELDS[kind]
        self._index = 0
        self._place = _Place("")

    def records(self, source: Source) -> Iterator[Record]:
        """Yield the records of a source."""
        try:
            for rows in read_sources([source], self._limits):
                if rows.source != self._place.name:
                    self._place = _Place(rows.source)
                    self._checks.identities.forget()  # each member of a zip is a source
                for document, problem in self._documents(rows):
                    try:
                        if problem is not None:
                            raise problem
                        record = self._record(document)
                    except FieldError as error:
                        self._refuse(error, document)
                    else:
                        yield record
                    self._index += 1
        except ExportFileError as error:
            if not self._breaks_off(error):
                raise
            self._place.number += 1
            self._refuse(FieldError(None, f"cannot be read: {error.problem}"), b"", error)
            self._index += 1

    def _breaks_off(self, error: ExportFileError) -> bool:
        """Tell whether lines were read before the damage. Of a Parquet file nobody knows which."""
        has_lines = error.source == self._place.name and self._place.number > 0
        return has_lines and self._place.unit != "row" and is_damage(error)

    def _documents(self, rows: Rows) -> Iterator[tuple[Any, FieldError | None]]:
        """Yield documents with what is known to be wrong, and note where each of them is."""
        content, place = rows.content, self._place
        if isinstance(content, Block):
            place.unit = content.unit
            last = len(content.documents) - 1
            for position, document in enumerate(content.documents):
                place.number = content.numbers[position]
                problem = content.problem if position == last else None
                yield document, FieldError(None, problem) if problem is not None else None
            return
        place.unit = "row" if isinstance(content, ParquetRows) else "object"
        documents: Iterator[tuple[Any, FieldError | None]]
        if isinstance(content, ParquetRows):
            documents = chain.from_iterable(map(rows_of, content.batches))
        else:
            documents = zip(content, repeat(None))
        for item in documents:
            place.number += 1
            yield item

    def _record(self, document: Any) -> Record:
        is_text = isinstance(document, bytes)
        read = parsed(document, self._properties) if is_text else document
        record = self._convert(read, self._checks.clock, self._checks.property_columns)
        if not is_text:
            require_json(self._properties, record["properties"])
        self._checks.clock.require_one_unit()
        try:
            return self._completed(record)
        except ValueError as error:
            raise FieldError("properties", str(error)) from error

    def _completed(self, record: Record) -> Record:
        """Return the record, of an event with an id, and with its time in UTC."""
        if "event_time" in record:
            count, is_local = record["event_time"]
            record["event_time"] = times.moment(count)
            if not record["insert_id"]:
                record["insert_id"] = self._checks.identities.next_id(record)
            if is_local:
                record["event_time"] = times.moment(self._checks.clock.to_utc(count))
        return record

    def _refuse(self, error: FieldError, document: Any, cause: Exception | None = None) -> None:
        place = self._place
        text = document if isinstance(document, bytes) else repr(document).encode(errors="replace")
        problem = _NOT_WHOLE if is_end_of_failed_export(text) else str(error)
        refusal = ExportLineError(
            self._index,
            error.field,
            problem,
            Path(place.name),
            place.number,
            place.unit,
            text.strip()[:_SHOWN].decode(errors="replace"),
        )
        refusal.__cause__ = cause or error
        self._checks.bad.refuse(refusal, document)


@dataclass
class _Place:
    """Where a document is, for errors."""

    name: str
    number: int = 0
    unit: str = "line"
