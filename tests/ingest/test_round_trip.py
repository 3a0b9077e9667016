"""What was stored comes back equal, after closing and reopening."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import RecordError, StorageEngine
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, PROFILES, Record, make_event, make_profile

PROPERTIES: dict[str, dict[str, Any]] = {
    "empty": {},
    "names that start with a dollar": {"$browser": "Firefox", "$": 1, "$$": 2, "": 3},
    "names with spaces, dots, quotes": {"plan name": 1, "a.b": 2, 'q"z': 3, "it's": 4, "b\\s": 5},
    "unicode": {
        "город": "Москва",
        "emoji": "👩‍👩‍👧",
        "nul": "a\u0000b",
        "rtl": "שלום",
        "\u2028": "\u2029",
    },
    "nested": {"a": {"b": [{"c": [[], {}, None]}, True, False, 1.5]}},
    "integers of 64 bits": {"low": -(2**63), "high": 2**63 - 1, "unsigned": 2**64 - 1},
    "integers beyond 64 bits": {"a": 2**70, "b": [-(2**70), {"c": 2**200}]},
    "floats": {"tiny": 5e-324, "huge": 1.7976931348623157e308, "third": 1 / 3, "minus": -0.0},
    "text that looks like null": {"a": "null", "b": None, "c": ["null", None]},
    "a long text": {"a": "x" * 1_000_000},
}


def documents_of(storage: StorageEngine, table: str) -> list[Any]:
    rows = storage.execute_rows(f"SELECT properties FROM {table} ORDER BY rowid")
    return [json.loads(text) for (text,) in rows]


@pytest.mark.parametrize("case", PROPERTIES)
def test_properties_come_back_as_the_json_they_were(path: Path, case: str) -> None:
    properties = PROPERTIES[case]
    with StorageEngine(path) as storage:
        storage.create_events_table("t", [make_event(properties=properties)], EVENTS)
    with StorageEngine(path) as storage:
        assert documents_of(storage, "t") == [properties]


def test_properties_are_readable_by_their_name_in_sql(storage: StorageEngine) -> None:
    properties = {"$browser": "Firefox", "plan name": "pro", "a.b": 1, 'q"z': 2}
    storage.create_events_table("t", [make_event(properties=properties)], EVENTS)
    row = storage.execute_rows(
        """SELECT properties->>'$."$browser"', properties->>'plan name', properties->>'a.b',
                  properties->>'q"z', properties->>'$."a.b"' FROM t"""
    )
    assert row == [("Firefox", "pro", "1", "2", "1")]


def test_python_values_that_json_knows_by_another_name_are_stored_as_that(
    storage: StorageEngine,
) -> None:
    properties = {
        "decimal": Decimal("0.10"),
        "tuple": (1, (2,)),
        5: "integer key",
        None: "none key",
        True: "true key",
    }
    storage.create_events_table("t", [make_event(properties=properties)], EVENTS)
    assert storage.execute_scalar("SELECT properties FROM t") == (
        '{"decimal":0.10,"tuple":[1,[2]],"5":"integer key","null":"none key","true":"true key"}'
    )


def test_every_column_comes_back_equal_after_reopening(path: Path) -> None:
    event = make_event(
        event_name='Kauf "äöü" 日本',
        event_time=datetime(2025, 1, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
        distinct_id="",
        insert_id="id with spaces\tand tabs\n",
        properties={"a": 1},
    )
    profile = make_profile(
        last_seen=datetime(2025, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=5)))
    )
    with StorageEngine(path) as storage:
        storage.create_events_table("e", [event], EVENTS)
        storage.create_profiles_table("p", [profile], PROFILES)
        tables = storage.list_tables()
    with StorageEngine(path, read_only=True) as storage:
        assert storage.execute_rows("SELECT * FROM e") == [
            (
                event["event_name"],
                datetime(2025, 1, 31, 23, 59, 59, 999999),
                "",
                event["insert_id"],
                '{"a":1}',
            )
        ]
        assert storage.execute_scalar("SELECT last_seen FROM p") == datetime(
            2024, 12, 31, 19, 0, 0, 1
        )
        assert storage.list_tables() == tables
        assert storage.get_metadata("e") == EVENTS


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
json_objects = st.dictionaries(st.text(), json_values, max_size=6)
aware = st.datetimes(
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 12, 31),
    timezones=st.builds(
        timezone, st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes))
    ),
)
times = aware | st.datetimes()
events = st.fixed_dictionaries(
    {
        "event_name": st.text(),
        "event_time": times,
        "distinct_id": st.text(),
        "insert_id": st.text(min_size=1),
        "properties": json_objects,
    }
)


def as_naive_utc(time: datetime) -> datetime:
    return time.astimezone(timezone.utc).replace(tzinfo=None) if time.tzinfo else time


@examples(25)
@given(records=st.lists(events, max_size=8, unique_by=lambda event: event["insert_id"]))
def test_any_valid_events_come_back_equal(records: list[Record]) -> None:
    with empty_storage() as storage:
        assert storage.create_events_table("t", records, EVENTS, batch_size=3) == len(records)
        rows = storage.execute_rows("SELECT * FROM t ORDER BY rowid")
        assert [row[:4] for row in rows] == [
            (
                record["event_name"],
                as_naive_utc(record["event_time"]),
                record["distinct_id"],
                record["insert_id"],
            )
            for record in records
        ]
        assert documents_of(storage, "t") == [record["properties"] for record in records]


@examples(25)
@given(value=st.floats() | st.text(st.characters()) | st.lists(st.floats(), max_size=3))
def test_any_value_is_stored_exactly_or_refused_with_its_index(value: Any) -> None:
    with empty_storage() as storage:
        record = make_event(1, properties={"value": value, "none": None})
        refused = None
        try:
            storage.create_events_table("t", [make_event(0), record], EVENTS)
        except RecordError as error:
            refused = (error.index, error.field)
        if refused is None:
            assert documents_of(storage, "t")[1] == {"value": value, "none": None}
        else:
            assert refused == (1, "properties")
            assert not storage.table_exists("t")
