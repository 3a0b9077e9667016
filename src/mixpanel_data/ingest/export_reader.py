"""Mixpanel's exports become records.

Events come as Mixpanel's Raw Event Export API and its JSON pipelines write them, profiles as its
Engage API does; :mod:`~mixpanel_data.ingest.shapes` has the forms.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import orjson

from mixpanel_data.common import values
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, exceeds_depth
from mixpanel_data.common.values import EPOCH_UTC
from mixpanel_data.exceptions import ExportFileError, ExportFileNotFoundError, ExportLineError
from mixpanel_data.ingest.export_data import Rows, read_sources
from mixpanel_data.ingest.framing import Block
from mixpanel_data.ingest.parquet_files import ParquetRows
from mixpanel_data.ingest.shapes import ShapeError, parts_of
from mixpanel_data.ingest.sources import Source, find_sources
from mixpanel_data.types import TableType

#: From this number on, a time is in milliseconds. In seconds it would be in the year 5138, in
#: milliseconds it is in 1973, and Mixpanel was founded in 2009.
_MILLISECONDS_FROM = 100_000_000_000

#: Bytes of a document that a message shows.
_SHOWN = 100

#: Exports as people have them; see :func:`read_events_export`.
ExportData = (
    str
    | os.PathLike[str]
    | IO[bytes]
    | Iterable[str | bytes | os.PathLike[str] | Mapping[str, Any]]
)

Record = dict[str, Any]


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
        ``time`` may be in seconds or milliseconds.

    Raises:
        ExportLineError: A line or document is no event. It is a ``RecordError`` with ``path`` and
            ``line``.
        ExportFileError: There is no such file, or it cannot be read. It is an ``OSError``.

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


def records_of(kind: TableType, sources: list[Source]) -> Iterator[Record]:
    """Iterate over the records of sources, one after the other.

    Args:
        kind: What they are.
        sources: Where they are.

    Raises:
        ExportLineError: A document is none of this kind.
        ExportFileError: A source cannot be read.
    """
    convert = _CONVERTERS[kind]
    index, place = 0, _Place("")
    try:
        for source in sources:
            identities = _Identities()
            for rows in read_sources([source]):
                place = _Place(rows.source)
                for document in _documents(rows, place, _FIELDS[kind]):
                    yield identities.completed(convert(document))
                    index += 1
    except _DocumentError as error:
        raise place.error(index, error.field, str(error)) from error
    except ExportFileError as error:
        if error.__cause__ is None or isinstance(error, ExportFileNotFoundError):
            raise
        if error.source != place.name:  # the damage comes before its first document
            place = _Place(error.source)
        place.number += 1
        raise place.error(index, None, error.problem) from error


@dataclass
class _Place:
    """Where a document is, for errors."""

    name: str
    number: int = 0
    unit: str = "line"

    def error(self, index: int, field: str | None, problem: str) -> ExportLineError:
        """Return the error for the document that is here."""
        return ExportLineError(index, field, problem, Path(self.name), self.number, self.unit)


class _DocumentError(ValueError):
    def __init__(self, field: str | None, problem: str) -> None:
        super().__init__(problem)
        self.field = field


class _Identities:
    """Makes ids for events of one source that have none: equal events get different ones.

    The first of equal events gets the hash of the event, the next ones a hash of that and of how
    many came before. So a source that is read again, or overlaps another, gives the same ids.
    """

    def __init__(self) -> None:
        self._before: dict[bytes, int] = {}

    def completed(self, record: Record) -> Record:
        """Return the record with an id, if it is an event."""
        if record.get("insert_id") == "":
            try:
                first = insert_id_of(record)
            except ValueError as error:
                raise _DocumentError("properties", str(error)) from error
            key = bytes.fromhex(first)
            before = self._before.get(key, 0)
            self._before[key] = before + 1
            record["insert_id"] = first if not before else _derived_id(first, before)
        return record


def _derived_id(first: str, before: int) -> str:
    return hashlib.sha256(f"{first} {before}".encode()).hexdigest()[:32]


def _documents(rows: Rows, place: _Place, field: str) -> Iterator[Any]:
    """Yield parsed documents, and note where each of them is."""
    content = rows.content
    if isinstance(content, Block):
        place.unit = content.unit
        last = len(content.documents) - 1
        for position, document in enumerate(content.documents):
            place.number = content.numbers[position]
            if position == last and content.problem is not None:
                raise _DocumentError(None, f"{content.problem}. It begins: {_begin(document)}")
            yield _parsed(document, field)
        return
    if isinstance(content, ParquetRows):
        objects: Iterator[Any] = (row for batch in content.batches for row in _rows_of(batch))
    else:
        objects = iter(content)
    for document in objects:
        place.number += 1
        yield document


def _rows_of(batch: Any) -> list[Record]:
    """Return the rows of a table's batch; JSON text becomes what it says."""
    rows: list[Record] = batch.to_pylist()
    for row in rows:
        if isinstance(row["properties"], str):
            row["properties"] = values.parse_json(row["properties"].encode())
    return rows


def _parsed(document: bytes, properties: str) -> Any:
    if exceeds_depth(document, MAX_DEPTH + 1):  # the document itself is one level
        raise _DocumentError(properties, TOO_DEEP)
    try:
        return values.parse_json(document.strip())
    except ValueError as error:
        raise _DocumentError(None, f"is not JSON. It begins: {_begin(document)}") from error


def _begin(document: bytes) -> str:
    """Return the beginning of a document, to recognise it by."""
    return repr(document.strip()[:_SHOWN].decode(errors="replace"))


def event_of(line: bytes) -> Record:
    """Return the record of a line of an events export; ``insert_id`` is empty where it has none.

    Raises:
        ValueError: The line is not an event.
    """
    return _event(_parsed(line, "properties"))


def profile_of(line: bytes) -> Record:
    """Return the record of a line of a profiles export.

    Raises:
        ValueError: The line is not a profile.
    """
    return _profile(_parsed(line, "$properties"))


def _event(document: Any) -> Record:
    parts = _parts(document, "events")
    name = parts.get("event_name")
    if not isinstance(name, str):
        raise _DocumentError("event", "is missing or not a string.")
    return {
        "event_name": name,
        "event_time": _time("time", parts.get("event_time")),
        "distinct_id": _identifier("distinct_id", parts.get("distinct_id")),
        "insert_id": _identifier("$insert_id", parts.get("insert_id")),
        "properties": parts["properties"],
    }


def _profile(document: Any) -> Record:
    parts = _parts(document, "profiles")
    if parts.get("distinct_id") is None:
        raise _DocumentError("$distinct_id", "is missing.")
    last_seen = parts.get("last_seen")
    return {
        "distinct_id": _identifier("$distinct_id", parts["distinct_id"]),
        "properties": parts["properties"],
        "last_seen": None if last_seen in (None, "") else _time("$last_seen", last_seen),
    }


def _parts(document: Any, kind: TableType) -> dict[str, Any]:
    try:
        return parts_of(document, kind)
    except ShapeError as error:
        raise _DocumentError(error.field, str(error)) from error


_CONVERTERS: dict[TableType, Callable[[Any], Record]] = {"events": _event, "profiles": _profile}
_FIELDS: dict[TableType, str] = {"events": "properties", "profiles": "$properties"}


def insert_id_of(record: Record) -> str:
    """Return an id for an event that has none: a hash of the whole event, as 32 hex digits.

    Example:
        >>> event = {"event_name": "Sign Up", "event_time": EPOCH_UTC, "distinct_id": "7"}
        >>> insert_id_of({**event, "properties": {"a": 1, "b": 2}}) == insert_id_of(
        ...     {**event, "properties": {"b": 2, "a": 1}}
        ... )
        True
    """
    hashed = {name: value for name, value in record.items() if name != "insert_id"}
    # Inserted as text, because the event is one level deeper than a document may be.
    hashed["properties"] = orjson.Fragment(values.document(hashed["properties"], sort_keys=True))
    return hashlib.sha256(values.document(hashed, sort_keys=True)).hexdigest()[:32]


def _identifier(field: str, value: object) -> str:
    """Return an id as text. Mixpanel's ids are strings, but clients have sent numbers, too."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, (int, float)):
        raise _DocumentError(field, "must be a string or a number.")
    return json.dumps(value)


def _time(field: str, value: object) -> datetime:
    try:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, (int, float)) and abs(value) >= _MILLISECONDS_FROM:
            return EPOCH_UTC + timedelta(milliseconds=value)
        return EPOCH_UTC + timedelta(microseconds=values.microseconds(value))
    except (ValueError, OverflowError) as error:
        raise _DocumentError(field, str(error)) from error
