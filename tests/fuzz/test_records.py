"""Arbitrary records and metadata are stored exactly, or refused by index and field."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from mixpanel_data import MetadataError, RecordError, StorageEngine, TableMetadata
from mixpanel_data.exceptions import DuplicateRecordError
from mixpanel_data.ingest.identities import Identities
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, Record, make_event

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

#: Offsets of whole minutes: JSON's texts of times know no others.
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
zones = st.none() | offsets
times = st.datetimes(timezones=zones)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**200), 2**200),
    st.floats(),
    st.text(),
    st.text(st.characters(codec=None), max_size=3),
    st.binary(max_size=3),
    st.decimals(),
    st.dates(),
    st.uuids(),
    times,
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.sets(st.integers(), max_size=2),
        st.dictionaries(st.text(max_size=4) | st.integers() | st.none(), inner, max_size=3),
    ),
    max_leaves=6,
)
fields = st.sampled_from([*make_event(0), "$browser", ""])
properties = st.dictionaries(st.text(max_size=4) | st.integers(), anything, max_size=3)
changes = st.one_of(
    st.builds(dict, properties=properties),
    st.builds(dict, event_time=times | st.floats(-1e9, 1e9) | times.map(str)),
    st.dictionaries(fields, st.just(...) | anything, max_size=2),
)
fuzzed = examples(40)


def changed(number: int, change: Mapping[str, Any]) -> Record:
    """Return an event with some fields put in, replaced, or left out for ``...``."""
    event = make_event(number) | dict(change)
    return {name: value for name, value in event.items() if value is not ...}


def as_json(value: Any) -> Any:
    """Return what JSON makes of a value, for what it takes."""
    if isinstance(value, Mapping):
        return {
            key if isinstance(key, str) else json.dumps(key): as_json(member)
            for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [as_json(member) for member in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    assert value is None or isinstance(value, (bool, int, float, str, Decimal)), repr(value)
    return value


def as_id(value: Any) -> str:
    """Return the id that a value means, an empty one for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, (str, UUID, Decimal)):
        return str(value)
    assert isinstance(value, (bool, int, float)), repr(value)
    return json.dumps(value)


def as_time(value: Any) -> datetime:
    """Return the time that a value means."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=timezone.utc)
    return EPOCH + timedelta(microseconds=round(value * 1_000_000))


def stored_events(storage: StorageEngine) -> list[tuple[Any, ...]]:
    rows = storage.execute_rows(
        "SELECT event_name, epoch_us(event_time), distinct_id, insert_id, properties FROM t "
        "ORDER BY rowid"
    )
    return [(*row, json.loads(text, parse_float=Decimal)) for *row, text in rows]


def expected(events: list[Record]) -> list[tuple[Any, ...]]:
    """Return the rows of events."""
    identities = Identities()
    rows = []
    for event in events:
        parts = {
            "event_name": event["event_name"],
            "event_time": as_time(event["event_time"]),
            "distinct_id": as_id(event["distinct_id"]),
            "properties": event["properties"],
        }
        document = json.dumps(as_json(event["properties"]), default=float)
        rows.append(
            (
                parts["event_name"],
                (parts["event_time"] - EPOCH) // timedelta(microseconds=1),
                parts["distinct_id"],
                as_id(event.get("insert_id")) or identities.next_id(parts),
                json.loads(document, parse_float=Decimal),
            )
        )
    return rows


def about(value: Any) -> Any:
    """Return a value with numbers as floats, in which JSON does not tell them apart."""
    if isinstance(value, dict):
        return {key: about(member) for key, member in value.items()}
    if isinstance(value, list):
        return [about(member) for member in value]
    return float(value) if isinstance(value, Decimal) else value


@fuzzed
@given(made=st.lists(changes, min_size=1, max_size=4))
@example(made=[{"properties": {"a": math.nan}}])
@example(made=[{}, {"properties": {"a": None, "b": [{"c": -math.inf}]}}])
@example(made=[{"properties": {"a": "\ud800"}}, {"event_time": ""}])
@example(made=[{"event_time": datetime.min}, {"event_time": datetime.max}])
def test_any_records_are_stored_exactly_or_refused_by_index(made: list[dict[str, Any]]) -> None:
    events = [changed(number, change) for number, change in enumerate(made)]
    with empty_storage() as storage:
        refused = None
        try:
            storage.create_events_table("t", iter(events), EVENTS, on_conflict="error")
        except DuplicateRecordError:
            return
        except RecordError as error:
            refused = error
        if refused is not None:
            assert refused.field in {None, *events[refused.index], *make_event(0)}
            assert not storage.table_exists("t")
            # It is the first bad one: those before it are good.
            events = events[: refused.index]
            storage.create_events_table("t", events, EVENTS)
        stored = [(*row[:-1], about(row[-1])) for row in stored_events(storage)]
        assert stored == [(*row[:-1], about(row[-1])) for row in expected(events)]


@fuzzed
@given(
    given_fields=st.dictionaries(
        st.sampled_from(
            ["type", "fetched_at", "from_date", "to_date", "filter_events", "filter_where"]
        ),
        scalars | st.lists(scalars, max_size=2) | st.dates().map(str),
        max_size=2,
    )
)
def test_any_metadata_comes_back_or_its_field_is_named(given_fields: dict[str, Any]) -> None:
    refused = None
    try:
        metadata = TableMetadata(**{"type": "events", "fetched_at": EPOCH, **given_fields})
    except MetadataError as error:
        refused = error
    if refused is not None:
        assert refused.field in given_fields
        return
    with empty_storage() as storage:
        storage.create_events_table("t", [make_event(0)], metadata)
        assert storage.get_metadata("t") == metadata
