"""Mixpanel's exports become records.

Events come as Mixpanel's Raw Event Export API and its JSON pipelines write them, profiles as its
Engage API does; :mod:`~mixpanel_data.ingest.shapes` has the forms.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson
import pyarrow as pa

from mixpanel_data.common import values
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, exceeds_depth
from mixpanel_data.exceptions import ExportFileError, ExportLineError
from mixpanel_data.ingest.arrow_batches import as_python, content_of
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.decompression import is_damage
from mixpanel_data.ingest.export_data import Rows, read_sources
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.framing import Block
from mixpanel_data.ingest.json_problems import reason_of
from mixpanel_data.ingest.parquet_files import ParquetRows
from mixpanel_data.ingest.row_checks import RowChecks
from mixpanel_data.ingest.shapes import parts_of
from mixpanel_data.ingest.sources import LocalFile, Source, find_sources
from mixpanel_data.types import TableType

#: Bytes of a document that a message may need.
_SHOWN = 500

#: Exports as people have them; see :func:`read_events_export`.
ExportData = (
    str
    | os.PathLike[str]
    | IO[bytes]
    | Iterable[str | bytes | os.PathLike[str] | Mapping[str, Any]]
)

Record = dict[str, Any]

_T = TypeVar("_T")


def read_events_export(data: ExportData) -> Iterator[Record]:
    """Iterate over the events of Mixpanel's exports, however they are kept.

    Args:
        data: A file, folder or pattern, a URL (with the extra ``remote``), an open binary file, an
            iterable of lines or objects, or a list of files. What is in it is told by its
            content: lines or arrays of JSON, pages of the Engage API, lines of JSON pipelines or
            Parquet; plain, gzip, zstd, bz2 or zip.

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
    return records_of("events", find_sources(data))


def read_profiles_export(data: ExportData) -> Iterator[Record]:
    """Iterate over the profiles of Mixpanel's exports, however they are kept.

    Args:
        data: As for :func:`read_events_export`.

    Yields:
        One dict per profile with ``distinct_id``, ``properties`` and ``last_seen`` (aware UTC,
        None where ``$last_seen`` is missing or empty).

    Raises:
        ExportLineError: A line or document is no profile. It is a ``RecordError`` with ``path``
            and ``line``.
        ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.
    """
    return records_of("profiles", find_sources(data))


def records_of(
    kind: TableType, sources: list[Source], checks: RowChecks | None = None
) -> Iterator[Record]:
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
    checks = checks or RowChecks(Clock("auto"))
    reader = _Reader(kind, checks)
    for source in sources:
        checks.identities.forget()
        yield from reader.records(source)


def place_of(sources: list[Source], index: int) -> tuple[Path, int, str] | None:
    """Return the file, the number and the unit of a document, by its position in all sources.

    Files of this machine are read again up to there. None where others come before it, or a file is
    damaged.
    """
    try:
        for source in sources:
            if not isinstance(source, LocalFile) or not source.path.is_file():
                return None
            for rows in read_sources([source]):
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
        self._convert = _CONVERTERS[kind]
        self._properties = _FIELDS[kind]
        self._index = 0
        self._place = _Place("")

    def records(self, source: Source) -> Iterator[Record]:
        """Yield the records of a source."""
        try:
            for rows in read_sources([source]):
                if rows.source != self._place.name:
                    self._place = _Place(rows.source)
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
            documents = chain.from_iterable(map(_rows_of, content.batches))
        else:
            documents = zip(content, repeat(None))
        for item in documents:
            place.number += 1
            yield item

    def _record(self, document: Any) -> Record:
        parsed = _parsed(document, self._properties) if isinstance(document, bytes) else document
        record = self._convert(parsed, self._checks.clock)
        if parsed is document:
            _require_json(self._properties, record["properties"])
        self._checks.clock.require_one_unit()
        try:
            return self._completed(record)
        except ValueError as error:
            raise FieldError("properties", str(error)) from error

    def _completed(self, record: Record) -> Record:
        """Return the record, of an event with an id, and with its time in UTC."""
        if "event_time" in record:
            count, is_local = record["event_time"]
            record["event_time"] = values.moment(count)
            if not record["insert_id"]:
                record["insert_id"] = self._checks.identities.next_id(record)
            if is_local:
                record["event_time"] = values.moment(self._checks.clock.to_utc(count))
        return record

    def _refuse(self, error: FieldError, document: Any, cause: Exception | None = None) -> None:
        place = self._place
        text = document if isinstance(document, bytes) else repr(document).encode(errors="replace")
        refusal = ExportLineError(
            self._index,
            error.field,
            str(error),
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


def _require_json(field: str, properties: Mapping[str, Any]) -> None:
    """Raise for properties that were no text before, and cannot become JSON.

    Raises:
        FieldError: They cannot.
    """
    try:
        try:
            nulls = orjson.dumps(properties).count(b"null")  # which it writes for NaN, too
        except TypeError:
            nulls = -1
        if nulls and nulls != sum(value is None for value in properties.values()):
            values.document(properties)
    except ValueError as error:
        raise FieldError(field, str(error)) from error


#: What pyarrow raises where Python has no value for a cell, such as a time in the year 150000.
_NO_VALUE = (ValueError, OverflowError, KeyError)


def _rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Record, FieldError | None]]:
    """Yield the rows of a table's batch with what is wrong with them; JSON text is parsed."""
    try:
        rows = batch.to_pylist()
    except _NO_VALUE:
        for position in range(batch.num_rows):
            row = batch.slice(position, 1)
            if (problem := _problem_of(row)) is None:
                yield from _rows_of(row)
            else:
                yield content_of(row), problem
        return
    kind = batch.schema.field("properties").type
    for row in rows:
        problem, properties = None, row["properties"]
        try:
            if isinstance(properties, str):
                row["properties"] = values.parse_json(properties.encode())
            else:
                row["properties"] = as_python(properties, kind)
        except ValueError as error:
            problem = FieldError("properties", f"is not JSON: {reason_of(properties.encode())}.")
            problem.__cause__ = error
        yield row, problem


def _problem_of(row: pa.RecordBatch) -> FieldError | None:
    """Return what is wrong with the first cell that Python has no value for."""
    for name in row.schema.names:
        try:
            row.column(name)[0].as_py()
        except _NO_VALUE as error:
            problem = FieldError(name, f"has no value in Python: {error}.")
            problem.__cause__ = error
            return problem
    return None


def _parsed(document: bytes, properties: str) -> Any:
    if exceeds_depth(document, MAX_DEPTH + 1):  # the document itself is one level
        raise FieldError(properties, TOO_DEEP)
    try:
        return values.parse_json(document.strip())
    except ValueError as error:
        raise FieldError(None, f"is not JSON: {reason_of(document.strip())}.") from error


def event_of(line: bytes, clock: Clock) -> Record:
    """Return the record of a line of an events export.

    ``insert_id`` is empty where it has none. ``event_time`` is what
    :meth:`~mixpanel_data.ingest.clock.Clock.read` returns.

    Raises:
        ValueError: The line is not an event.
    """
    return _event(_parsed(line, "properties"), clock)


def profile_of(line: bytes, clock: Clock) -> Record:
    """Return the record of a line of a profiles export.

    Raises:
        ValueError: The line is not a profile.
    """
    return _profile(_parsed(line, "$properties"), clock)


def _event(document: Any, clock: Clock) -> Record:
    parts = parts_of(document, "events")
    name = parts.get("event_name")
    if not isinstance(name, str):
        raise FieldError("event", "is missing or not a string.")
    if values.is_missing(parts.get("event_time")):
        raise FieldError("time", "is missing.")
    return {
        "event_name": name,
        "event_time": _checked("time", parts["event_time"], clock.read),
        "distinct_id": _identifier("distinct_id", parts.get("distinct_id")),
        "insert_id": _identifier("$insert_id", parts.get("insert_id")),
        "properties": parts["properties"],
    }


def _profile(document: Any, _: Clock) -> Record:
    parts = parts_of(document, "profiles")
    if parts.get("distinct_id") is None:
        raise FieldError("$distinct_id", "is missing.")
    last_seen = parts.get("last_seen")
    is_missing = last_seen == "" or values.is_missing(last_seen)
    return {
        "distinct_id": _identifier("$distinct_id", parts["distinct_id"]),
        "properties": parts["properties"],
        "last_seen": None if is_missing else _checked("$last_seen", last_seen, _last_seen),
    }


def _last_seen(value: object) -> datetime:
    """Return a time that is a number in seconds or in milliseconds, whichever it is by its size."""
    return values.moment(Clock("auto").read(value)[0])


_CONVERTERS: dict[TableType, Callable[[Any, Clock], Record]] = {
    "events": _event,
    "profiles": _profile,
}
_FIELDS: dict[TableType, str] = {"events": "properties", "profiles": "$properties"}


def _identifier(field: str, value: object) -> str:
    return "" if values.is_missing(value) else _checked(field, value, values.identifier)


def _checked(field: str, value: object, convert: Callable[[object], _T]) -> _T:
    try:
        return convert(value)
    except ValueError as error:
        raise FieldError(field, str(error)) from error
