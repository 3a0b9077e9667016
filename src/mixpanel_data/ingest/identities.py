"""Ids for events that have none.

An id is a hash of the event. Of equal events in one source, the first gets that hash, the next ones
a hash of it and of how many came before. So all of them are kept, and a source that is read again,
or overlaps another one, gives the same ids.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_data.common import json_documents, times
from mixpanel_data.ingest.string_buffers import string_data_and_offsets

#: Columns of an event that its id is made of, in the order of their names.
_HASHED = ("distinct_id", "event_name", "event_time", "properties")


class Identities:
    """Gives ids to events of one source after the other.

    Attributes:
        made: How many ids were made.
    """

    def __init__(self) -> None:
        self.made = 0
        self._before: dict[bytes, int] = {}

    def forget(self) -> None:
        """Begin another source: events are equal to none of the sources before."""
        self._before.clear()

    def next_id(self, event: Mapping[str, Any]) -> str:
        """Return an id for an event.

        Args:
            event: As for :func:`insert_id_of`.

        Raises:
            ValueError: The properties cannot become JSON.
        """
        return self._numbered(_hash_of(event))

    def _numbered(self, key: bytes) -> str:
        """Return the id of the next one of events with the same hash."""
        before = self._before.get(key, 0)
        self._before[key] = before + 1
        self.made += 1
        return key.hex() if not before else _derived_id(key.hex(), before)

    def completed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch of events, all of them with an id.

        Args:
            batch: The columns of a table of events. ``insert_id`` is NULL or empty where it is
                missing. ``event_time`` is in UTC, or where a time zone is to be applied, as it
                stands in the source.

        Raises:
            ValueError: Properties cannot become JSON. None of the events counts as seen.
        """
        position = batch.schema.get_field_index("insert_id")
        ids = batch.column(position).fill_null("")
        missing = pc.equal(ids, "")
        if not missing.true_count:
            return batch
        made = list(map(self._numbered, _hashes_of(batch.select(_HASHED).filter(missing))))
        filled = pc.replace_with_mask(ids, missing, pa.array(made, pa.string()))
        return batch.set_column(position, batch.schema.field(position), filled)


def _sorted(properties: Any) -> orjson.Fragment:
    """Return properties, JSON text or a dict, as JSON with its members in order.

    Those of a dict are read from its text, so that a ``Decimal`` counts as the number it becomes.
    """
    is_text = isinstance(properties, str)
    text = properties.encode() if is_text else json_documents.document(properties)
    if not json_documents.has_long_integer(text):
        with suppress(ValueError):  # a number that is too large for it
            parsed = orjson.loads(text)
            return orjson.Fragment(orjson.dumps(parsed, option=orjson.OPT_SORT_KEYS))
    # Inserted as text, because the event is one level deeper than a document may be.
    return orjson.Fragment(json_documents.document(json_documents.parse_json(text), sort_keys=True))


def insert_id_of(event: Mapping[str, Any]) -> str:
    """Return the id of the first of equal events: a hash of the event, as 32 hex digits.

    Args:
        event: ``event_name``, ``event_time`` (aware, as it stands in the source), ``distinct_id``
            and ``properties``, a dict or JSON text.

    Raises:
        ValueError: The properties cannot become JSON.

    Example:
        >>> time = times.moment(0)
        >>> event = {"event_name": "Sign Up", "event_time": time, "distinct_id": "7"}
        >>> insert_id_of({**event, "properties": {"a": 1, "b": 2}}) == insert_id_of(
        ...     {**event, "properties": {"b": 2, "a": 1}}
        ... )
        True
    """
    return _hash_of(event).hex()


def _hash_of(event: Mapping[str, Any]) -> bytes:
    hashed = {name: event[name] for name in _HASHED}
    hashed["properties"] = _sorted(event["properties"])
    return hashlib.sha256(orjson.dumps(hashed)).digest()[:16]


def _hashes_of(events: pa.RecordBatch) -> list[bytes]:
    """Return what :func:`_hash_of` returns for each event, of ordinary documents in less time."""
    counts = events.column("event_time").cast(pa.int64())
    users, names, documents = (
        events.column(name).to_pylist() for name in _HASHED if name != "event_time"
    )
    if _are_ordinary(events.column("properties")):
        times_in_utc = counts.to_numpy().astype("datetime64[us]").tolist()
        cells = zip(users, names, times_in_utc, documents, strict=True)
        with suppress(ValueError, TypeError):  # a number too large for it, or one level too many
            return [_ordinary_hash(*row) for row in cells]
    cells = zip(users, names, map(times.moment, counts.to_pylist()), documents, strict=True)
    return [_hash_of(dict(zip(_HASHED, row, strict=True))) for row in cells]


def _are_ordinary(documents: pa.Array) -> bool:
    """Tell whether documents are texts without integers that ``orjson`` would read as floats."""
    if not pa.types.is_string(documents.type):
        return False
    text, _ = string_data_and_offsets(documents)
    return not json_documents.has_long_integer(text.tobytes())


def _ordinary_hash(user: str, name: str, time_in_utc: datetime, document: str) -> bytes:
    """Hash an event without what documents need that ``orjson`` reads otherwise, or not at all."""
    hashed = {
        "distinct_id": user,
        "event_name": name,
        "event_time": time_in_utc,
        "properties": orjson.loads(document),
    }
    return hashlib.sha256(orjson.dumps(hashed, option=_ORDINARY)).digest()[:16]


#: Naive times as what they are in, and members in order; the names of columns are in order.
_ORDINARY = orjson.OPT_NAIVE_UTC | orjson.OPT_SORT_KEYS


def _derived_id(first: str, before: int) -> str:
    return hashlib.sha256(f"{first} {before}".encode()).hexdigest()[:32]
