"""Read Mixpanel export files, in Python.

The formats are those of Mixpanel's Raw Event Export API (one ``{"event", "properties"}`` object per
line) and of its Engage API's query results (``{"$distinct_id", "$properties"}``).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from mixpanel_data.common import values
from mixpanel_data.common.open_files import require_no_database
from mixpanel_data.common.values import EPOCH_UTC
from mixpanel_data.exceptions import ExportLineError

#: What reading a damaged compressed file raises.
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)

_GZIP_MAGIC = b"\x1f\x8b"

#: From this number on, a time is in milliseconds. In seconds it would be in the year 5138, in
#: milliseconds it is in 1973, and Mixpanel was founded in 2009.
_MILLISECONDS_FROM = 100_000_000_000

Record = dict[str, Any]


def read_events_export(path: str | Path) -> Iterator[Record]:
    """Iterate over the events of a Mixpanel raw export file.

    Args:
        path: NDJSON file, plain or gzip (detected by its content, not its name).

    Yields:
        One dict per line with ``event_name``, ``event_time`` (aware UTC), ``distinct_id``,
        ``insert_id`` and ``properties`` (all the others). A ``distinct_id`` that is a number is
        converted to text, a missing one is empty. For a missing ``$insert_id``, a hash of the event
        is used, which is always the same for the same event. ``time`` may be in seconds or
        milliseconds.

    Raises:
        ExportLineError: A line is not an event. It is a ``RecordError`` with ``path`` and ``line``.
        OSError: The file cannot be read.

    Example:
        >>> from pathlib import Path
        >>> line = '{"event": "Sign Up", "properties": {"time": 1735689600, "distinct_id": 7}}'
        >>> _ = Path("export.jsonl").write_text(line)
        >>> (event,) = read_events_export("export.jsonl")
        >>> event["event_name"], event["distinct_id"], event["event_time"].isoformat()
        ('Sign Up', '7', '2025-01-01T00:00:00+00:00')
    """
    return _records(_path_of(path), event_of)


def read_profiles_export(path: str | Path) -> Iterator[Record]:
    """Iterate over the profiles of a Mixpanel export file.

    Args:
        path: NDJSON file, plain or gzip (detected by its content, not its name).

    Yields:
        One dict per line with ``distinct_id``, ``properties`` and ``last_seen`` (aware UTC, None
        where ``$last_seen`` is missing).

    Raises:
        ExportLineError: A line is not a profile. It is a ``RecordError`` with ``path`` and
            ``line``.
        OSError: The file cannot be read.
    """
    return _records(_path_of(path), profile_of)


def _path_of(path: str | Path) -> Path:
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise ValueError(f"{str(path)!r} cannot be a path: it is not valid UTF-8.") from error
    return Path(path)


def is_compressed(path: Path) -> bool:
    """Tell from its content whether a file is gzip."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP_MAGIC


def _records(path: Path, convert: Callable[[bytes], Record]) -> Iterator[Record]:
    index, number = 0, 0
    require_no_database(path)
    with path.open("rb") as raw:
        lines: Iterable[bytes] = gzip.GzipFile(fileobj=raw) if is_compressed(path) else raw
        try:
            for line in lines:
                number += 1
                if not line.isspace():
                    yield convert(line)
                    index += 1
        except _LineError as error:
            raise ExportLineError(index, error.field, str(error), path, number) from error
        except DAMAGED as error:
            problem = f"the compressed file ends early or is damaged: {error}"
            raise ExportLineError(index, None, problem, path, number + 1) from error


class _LineError(ValueError):
    def __init__(self, field: str | None, problem: str) -> None:
        super().__init__(problem)
        self.field = field


def _parsed(line: bytes, properties: str) -> Record:
    if values.exceeds_depth(line, values.MAX_DEPTH + 1):  # the line itself is one level
        raise _LineError(properties, values.TOO_DEEP)
    try:
        parsed = values.parse_json(line.strip())
    except ValueError as error:
        raise _LineError(None, f"is not JSON: {error}.") from error
    if not isinstance(parsed, dict):
        raise _LineError(None, "is not a JSON object.")
    return parsed


def event_of(line: bytes) -> Record:
    """Return the record of a line of an events export.

    Raises:
        ValueError: The line is not an event.
    """
    parsed = _parsed(line, "properties")
    name = parsed.get("event")
    if not isinstance(name, str):
        raise _LineError("event", "is missing or not a string.")
    properties = _properties(parsed, "properties")
    record = {
        "event_name": name,
        "event_time": _time("time", properties.pop("time", None)),
        "distinct_id": _identifier("distinct_id", properties.pop("distinct_id", None)),
        "insert_id": _identifier("$insert_id", properties.pop("$insert_id", None)),
        "properties": properties,
    }
    if not record["insert_id"]:
        try:
            record["insert_id"] = insert_id_of(record)
        except ValueError as error:
            raise _LineError("properties", str(error)) from error
    return record


def profile_of(line: bytes) -> Record:
    """Return the record of a line of a profiles export.

    Raises:
        ValueError: The line is not a profile.
    """
    parsed = _parsed(line, "$properties")
    if parsed.get("$distinct_id") is None:
        raise _LineError("$distinct_id", "is missing.")
    properties = _properties(parsed, "$properties")
    last_seen = properties.pop("$last_seen", None)
    return {
        "distinct_id": _identifier("$distinct_id", parsed["$distinct_id"]),
        "properties": properties,
        "last_seen": None if last_seen is None else _time("$last_seen", last_seen),
    }


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


def _properties(line: Record, field: str) -> Record:
    properties = line.get(field)
    if not isinstance(properties, dict):
        raise _LineError(field, "is missing or not a JSON object.")
    return properties


def _identifier(field: str, value: object) -> str:
    """Return an id as text. Mixpanel's ids are strings, but clients have sent numbers, too."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Decimal):
        return str(value)
    if not isinstance(value, (int, float)):
        raise _LineError(field, "must be a string or a number.")
    return json.dumps(value)


def _time(field: str, value: object) -> datetime:
    try:
        if isinstance(value, (int, float)) and abs(value) >= _MILLISECONDS_FROM:
            return EPOCH_UTC + timedelta(milliseconds=value)
        return EPOCH_UTC + timedelta(microseconds=values.microseconds(value))
    except (ValueError, OverflowError) as error:
        raise _LineError(field, str(error)) from error
