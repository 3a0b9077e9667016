"""One document of an export becomes a record, or it is said what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson
import pyarrow as pa

from mixpanel_data.common import json_documents, times, values
from mixpanel_data.common.json_depth import MAX_DEPTH, TOO_DEEP, exceeds_depth
from mixpanel_data.ingest.arrow_cells import content_of
from mixpanel_data.ingest.arrow_documents import as_python
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.ingest.json_problems import reason_of
from mixpanel_data.ingest.shapes import parts_of
from mixpanel_data.types import TableType

Record = dict[str, Any]

#: Returns names of columns.
Names = Callable[[], frozenset[str]]

_T = TypeVar("_T")


def parsed(document: bytes, properties: str) -> Any:
    """Parse a document.

    Args:
        document: JSON text.
        properties: What an error calls its properties.

    Raises:
        FieldError: It is not JSON, or too deep.
    """
    if exceeds_depth(document, MAX_DEPTH + 1):  # the document itself is one level
        raise FieldError(properties, TOO_DEEP)
    try:
        return json_documents.parse_json(document.strip())
    except ValueError as error:
        raise FieldError(None, f"is not JSON: {reason_of(document.strip())}.") from error


def event_of(line: bytes, clock: Clock, derived: Names = frozenset) -> Record:
    """Return the record of a line of an events export.

    ``insert_id`` is empty where it has none. ``event_time`` is what
    :meth:`~mixpanel_data.ingest.clock.Clock.read` returns. ``derived`` is as for
    :func:`~mixpanel_data.ingest.shapes.parts_of`.

    Raises:
        ValueError: The line is not an event.
    """
    return _event(parsed(line, "properties"), clock, derived)


def profile_of(line: bytes, clock: Clock, derived: Names = frozenset) -> Record:
    """Return the record of a line of a profiles export.

    Raises:
        ValueError: The line is not a profile.
    """
    return _profile(parsed(line, "$properties"), clock, derived)


def _event(document: Any, clock: Clock, derived: Names) -> Record:
    parts = parts_of(document, "events", derived)
    name = parts.get("event_name")
    if not isinstance(name, str):
        raise FieldError("event", "is missing or not a string.")
    if values.is_missing(parts.get("event_time")):
        raise FieldError("time", "is missing or null.")
    return {
        "event_name": name,
        "event_time": _checked("time", parts["event_time"], clock.read),
        "distinct_id": _identifier("distinct_id", parts.get("distinct_id")),
        "insert_id": _identifier("$insert_id", parts.get("insert_id")),
        "properties": parts["properties"],
    }


def _profile(document: Any, _: Clock, derived: Names) -> Record:
    parts = parts_of(document, "profiles", derived)
    if parts.get("distinct_id") is None:
        raise FieldError("$distinct_id", "is missing or null.")
    last_seen = parts.get("last_seen")
    is_missing = last_seen == "" or values.is_missing(last_seen)
    return {
        "distinct_id": _identifier("$distinct_id", parts["distinct_id"]),
        "properties": parts["properties"],
        "last_seen": None if is_missing else _checked("$last_seen", last_seen, _last_seen),
    }


def _last_seen(value: object) -> datetime:
    """Return a time that is a number in seconds or in milliseconds, whichever it is by its size."""
    return times.moment(Clock("auto").read(value)[0])


#: Makes a record of a parsed document, by what it is.
CONVERTERS: dict[TableType, Callable[[Any, Clock, Names], Record]] = {
    "events": _event,
    "profiles": _profile,
}
#: What errors call the properties of a document.
FIELDS: dict[TableType, str] = {"events": "properties", "profiles": "$properties"}


def _identifier(field: str, value: object) -> str:
    return "" if values.is_missing(value) else _checked(field, value, values.identifier)


def _checked(field: str, value: object, convert: Callable[[object], _T]) -> _T:
    try:
        return convert(value)
    except ValueError as error:
        raise FieldError(field, str(error)) from error


def require_json(field: str, properties: Mapping[str, Any]) -> None:
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
            json_documents.document(properties)
    except ValueError as error:
        raise FieldError(field, str(error)) from error


#: What pyarrow raises where Python has no value for a cell, such as a time in the year 150000.
_NO_VALUE = (ValueError, OverflowError, KeyError)


def rows_of(batch: pa.RecordBatch) -> Iterator[tuple[Record, FieldError | None]]:
    """Yield the rows of a table's batch with what is wrong with them; JSON text is parsed."""
    try:
        rows = batch.to_pylist()
    except _NO_VALUE:
        for position in range(batch.num_rows):
            row = batch.slice(position, 1)
            if (problem := _problem_of(row)) is None:
                yield from rows_of(row)
            else:
                yield content_of(row), problem
        return
    kind = batch.schema.field("properties").type
    for row in rows:
        problem, properties = None, row["properties"]
        try:
            if isinstance(properties, str):
                row["properties"] = json_documents.parse_json(properties.encode())
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
