"""Which shape a document has, and where its parts are.

Events come as Mixpanel's export API writes them (``event`` and ``properties``), as lines of its
JSON pipelines, and as records of this library; profiles as the Engage API has them, and as records.
The parts of all of them are the same. What they mean (times, ids) is for others to decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mixpanel_data.exceptions.records import AGAIN
from mixpanel_data.ingest.field_error import FieldError
from mixpanel_data.types import TableType

Members = Mapping[str, Any]

#: Asking for a dict first takes a fraction of the time.
_OBJECTS = (dict, Mapping)

_METHODS = {"events": "load_events_export()", "profiles": "load_profiles_export()"}


@dataclass(frozen=True)
class Shape:
    """A form in which events or profiles come.

    Attributes:
        name: What people call it.
        kind: What it is.
        required: Members that tell it from others.
        properties: The member with the properties.
        top: Members that become columns: column by member.
        moved: Properties that become columns: column by property.
        is_record: Whether it is that of a table's rows, which may have property columns.
    """

    name: str
    kind: TableType
    required: frozenset[str]
    properties: str
    top: Mapping[str, str]
    moved: Mapping[str, str]
    is_record: bool = False


SHAPES = (
    Shape(
        name="export of events",
        kind="events",
        required=frozenset({"event", "properties"}),
        properties="properties",
        top={"event": "event_name"},
        moved={"time": "event_time", "distinct_id": "distinct_id", "$insert_id": "insert_id"},
    ),
    Shape(
        name="record of an event",
        kind="events",
        required=frozenset({"event_name", "event_time"}),
        properties="properties",
        top={name: name for name in ("event_name", "event_time", "distinct_id", "insert_id")},
        moved={},
        is_record=True,
    ),
    Shape(
        name="line of a JSON pipeline",
        kind="events",
        required=frozenset({"event_name", "time"}),
        properties="properties",
        top={
            "event_name": "event_name",
            "time": "event_time",
            "distinct_id": "distinct_id",
            "insert_id": "insert_id",
        },
        moved={},
    ),
    Shape(
        name="profile of the Engage API",
        kind="profiles",
        required=frozenset({"$distinct_id"}),
        properties="$properties",
        top={"$distinct_id": "distinct_id"},
        moved={"$last_seen": "last_seen"},
    ),
    Shape(
        name="record of a profile",
        kind="profiles",
        required=frozenset({"distinct_id", "properties"}),
        properties="properties",
        top={"distinct_id": "distinct_id", "last_seen": "last_seen"},
        moved={},
        is_record=True,
    ),
)


def shape_of(document: Any, kind: TableType) -> Shape:
    """Return the shape of a parsed document.

    Args:
        document: What was parsed.
        kind: What it should be.

    Raises:
        FieldError: It is no object, of the other kind, or of no kind at all.

    Example:
        >>> shape_of({"event": "Sign Up", "properties": {}}, "events").name
        'export of events'
    """
    if not isinstance(document, _OBJECTS):
        raise FieldError(None, "is no JSON object.")
    found = _first_shape(document)
    if found is None:
        raise _unknown(document, kind)
    if found.kind != kind:
        raise FieldError(
            None,
            f"is a{_an(found.kind)} {found.kind[:-1]}, not a{_an(kind)} {kind[:-1]}. "
            f"Load it with {_METHODS[found.kind]}.",
        )
    return found


def _first_shape(document: Members) -> Shape | None:
    for shape in SHAPES:
        if shape.required <= document.keys():
            return shape
    return None


def _an(kind: TableType) -> str:
    return "n" if kind == "events" else ""


def _unknown(document: Members, kind: TableType) -> FieldError:
    if "error" in document:
        error = str(document["error"])[:100]
        return FieldError(None, f"is an error message of Mixpanel's API: {error!r}. {AGAIN}")
    pipeline = next(shape for shape in SHAPES if "time" in shape.required)
    nearest = next(shape for shape in SHAPES if shape.kind == kind)
    nearest = pipeline if kind == "events" and "event_name" in document else nearest
    missing = [name for name in (*nearest.top, nearest.properties) if name not in document]
    members = ", ".join(map(str, [*document][:8]))[:100] or "nothing"
    if len(missing) < len({*nearest.top, nearest.properties}):
        return FieldError(missing[0], f"is missing. The members are: {members}.")
    return FieldError(None, f"is no {kind[:-1]}. Its members are: {members}.")


def parts_of(
    document: Any, kind: TableType, derived: Callable[[], frozenset[str]] = frozenset
) -> dict[str, Any]:
    """Return the columns of a document, their values as they stand in it.

    Members that no column takes go into ``properties`` under their own names, unless these are
    taken there. Columns that the document does not name are missing.

    Args:
        document: What was parsed.
        kind: What it should be.
        derived: Names the property columns of the table. A record's members of these names are left
            out, since the columns are made of its properties.

    Raises:
        FieldError: It is no document of this kind, or its properties are no object.

    Example:
        >>> parts_of({"event": "Tap", "at": 1, "properties": {"time": 2, "x": 3}}, "events")
        {'event_name': 'Tap', 'event_time': 2, 'properties': {'x': 3, 'at': 1}}
    """
    shape = shape_of(document, kind)
    properties = document.get(shape.properties)
    if not isinstance(properties, _OBJECTS):
        raise FieldError(shape.properties, "is missing or no JSON object.")
    parts = {column: document[member] for member, column in shape.top.items() if member in document}
    kept = dict(properties)
    for name, column in shape.moved.items():
        if name in kept:
            parts[column] = kept.pop(name)
    if len(document) > len(parts.keys() & shape.top.values()) + 1:
        no_properties = {*shape.top, shape.properties, *(derived() if shape.is_record else ())}
        for name, value in document.items():
            if name not in no_properties and name not in properties:
                kept[name] = value
    parts["properties"] = kept
    return parts


def page_results(document: Members) -> list[Any] | None:
    """Return the results of a page of the Engage query API, None if the document is none."""
    results = document.get("results")
    is_page = isinstance(results, list) and _first_shape(document) is None
    return results if is_page else None
