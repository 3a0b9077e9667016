"""Records that cannot be stored: which one, which field, why, and nothing left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from mixpanel_data import MixpanelDataError, RecordError, StorageEngine
from tests.records import (
    EVENTS,
    PROFILES,
    Record,
    make_event,
    make_events,
    make_profile,
    make_profiles,
)

BAD_EVENTS: dict[str, tuple[str | None, Callable[[Record], Any]]] = {
    "no event_name": ("event_name", lambda r: r.pop("event_name")),
    "no event_time": ("event_time", lambda r: r.pop("event_time")),
    "no distinct_id": ("distinct_id", lambda r: r.pop("distinct_id")),
    "no properties": ("properties", lambda r: r.pop("properties")),
    "name is None": ("event_name", lambda r: r.update(event_name=None)),
    "name is a number": ("event_name", lambda r: r.update(event_name=5)),
    "name is bytes": ("event_name", lambda r: r.update(event_name=b"Sign Up")),
    "lone surrogate in a column": ("event_name", lambda r: r.update(event_name="\ud800")),
    "id is a list": ("insert_id", lambda r: r.update(insert_id=["a"])),
    "user is bytes": ("distinct_id", lambda r: r.update(distinct_id=b"7")),
    "time is None": ("event_time", lambda r: r.update(event_time=None)),
    "time is no time": ("event_time", lambda r: r.update(event_time="yesterday")),
    "time is empty": ("event_time", lambda r: r.update(event_time="")),
    "time is a bool": ("event_time", lambda r: r.update(event_time=True)),
    "time is NaN": ("event_time", lambda r: r.update(event_time=float("nan"))),
    "time is infinite": ("event_time", lambda r: r.update(event_time=float("inf"))),
    "time is in milliseconds": ("event_time", lambda r: r.update(event_time=1735689600000)),
    "31 February": ("event_time", lambda r: r.update(event_time="2025-02-31T00:00:00")),
    "properties is None": ("properties", lambda r: r.update(properties=None)),
    "properties is text": ("properties", lambda r: r.update(properties="{}")),
    "properties is a list": ("properties", lambda r: r.update(properties=[1])),
    "NaN": ("properties", lambda r: r["properties"].update(x=float("nan"))),
    "infinity in a list": ("properties", lambda r: r["properties"].update(x=[1, float("-inf")])),
    "NaN beside None": ("properties", lambda r: r["properties"].update(n=None, x=float("nan"))),
    "NaN deep down": (
        "properties",
        lambda r: r["properties"].update(n=None, x={"y": [{"z": float("nan")}]}),
    ),
    "NaN beside a big integer": (
        "properties",
        lambda r: r["properties"].update(big=2**70, x=float("nan")),
    ),
    "lone surrogate in a property": ("properties", lambda r: r["properties"].update(x="\udfff")),
    "bytes": ("properties", lambda r: r["properties"].update(x=b"raw")),
    "a set": ("properties", lambda r: r["properties"].update(x={1})),
    "two keys of the same text": ("properties", lambda r: r.update(properties={1: "a", "1": "b"})),
    "a key that is a tuple": ("properties", lambda r: r.update(properties={(1, 2): "a"})),
    "an unknown field": ("colour", lambda r: r.update(colour="red")),
}


def spoiled(spoil: Callable[[Record], Any]) -> Record:
    record = make_event(4321)
    spoil(record)
    return record


@pytest.mark.parametrize("case", BAD_EVENTS)
@pytest.mark.parametrize("index", [0, 2500])
def test_the_first_bad_event_is_named_and_nothing_is_left(case: str, index: int) -> None:
    field, spoil = BAD_EVENTS[case]
    data = [*make_events(index), spoiled(spoil), *make_events(100, start=9000)]
    with StorageEngine.memory() as storage:
        with pytest.raises(RecordError) as caught:
            storage.create_events_table("t", iter(data), EVENTS, batch_size=1000)
        assert (caught.value.index, caught.value.field) == (index, field)
        assert caught.value.details["index"] == index
        assert str(caught.value).startswith(f"Record {index}, field {field!r}: ")
        assert isinstance(caught.value, ValueError)
        assert not storage.table_exists("t")
        assert storage.list_tables() == []


@pytest.mark.parametrize("thing", [None, 5, "text", ["a"], ("event_name", "Sign Up")])
def test_a_record_that_is_no_dict_is_named(storage: StorageEngine, thing: Any) -> None:
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", [make_event(), thing], EVENTS)
    assert (caught.value.index, caught.value.field) == (1, None)


def test_documents_that_are_text_are_to_be_parsed_or_loaded_as_a_frame(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", make_events(3), EVENTS)
    query = "SELECT * FROM t ORDER BY insert_id"
    rows = storage.execute_dicts(query)
    advice = r"not str\..* json\.loads\(\), or load what execute_df\(\) or execute_arrow\(\)"
    with pytest.raises(RecordError, match=advice):
        storage.create_events_table("again", rows, EVENTS)
    parsed = [{**row, "properties": json.loads(row["properties"])} for row in rows]
    ways: dict[str, Any] = {"parsed": parsed, "frame": storage.execute_df(query)}
    for name, data in ways.items():
        assert storage.create_events_table(name, data, EVENTS) == 3
        assert storage.execute_dicts(query.replace(" t ", f" {name} ")) == rows


@pytest.mark.parametrize("properties", [{"time": None}, {}])
def test_a_time_that_is_null_is_not_called_missing_only(
    storage: StorageEngine, properties: Record
) -> None:
    with pytest.raises(RecordError, match=r"'time' is missing or null\."):
        storage.load_events_export("t", [{"event": "a", "properties": properties}], EVENTS)


def test_a_profile_whose_id_is_null_is_not_called_missing_only(storage: StorageEngine) -> None:
    profile: Record = {"$distinct_id": None, "$properties": {}}
    with pytest.raises(RecordError, match=r"'\$distinct_id' is missing or null\."):
        storage.load_profiles_export("t", [profile], PROFILES)


def test_of_two_bad_records_the_first_is_named_whatever_the_kind_of_fault(
    storage: StorageEngine,
) -> None:
    late_fault = [make_event(0), make_event(1, event_name=7), make_event(2, properties=None)]
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", late_fault, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_name")


def test_of_two_bad_fields_the_first_column_is_named(storage: StorageEngine) -> None:
    bad = make_event(0, distinct_id=1, event_name=2)
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", [bad], EVENTS)
    assert caught.value.field == "event_name"


@pytest.mark.parametrize(
    ("field", "value"),
    [("distinct_id", None), ("distinct_id", [7]), ("last_seen", "soon"), ("properties", 3)],
)
def test_a_bad_profile_is_named(storage: StorageEngine, field: str, value: Any) -> None:
    data = [*make_profiles(10), make_profile(11, **{field: value})]
    with pytest.raises(RecordError) as caught:
        storage.create_profiles_table("users", data, PROFILES)
    assert (caught.value.index, caught.value.field) == (10, field)


def test_last_seen_may_be_missing_or_none(storage: StorageEngine) -> None:
    without = make_profile(1)
    del without["last_seen"]
    data = [without, make_profile(2, last_seen=None), make_profile(3)]
    storage.create_profiles_table("users", data, PROFILES)
    seen = storage.execute_rows("SELECT last_seen IS NULL FROM users ORDER BY distinct_id")
    assert seen == [(True,), (True,), (False,)]


def test_a_bad_record_leaves_the_table_that_was_appended_to_as_it_was(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", make_events(10), EVENTS)
    before = storage.execute_rows("SELECT * FROM t"), storage.get_metadata("t")
    with pytest.raises(RecordError):
        storage.append_events_table("t", [*make_events(3000, start=20), {"event_name": 1}], EVENTS)
    assert (storage.execute_rows("SELECT * FROM t"), storage.get_metadata("t")) == before


class ProducerError(Exception):
    """Not one of the library's."""


def failing(count: int, error: BaseException) -> Iterator[Record]:
    yield from make_events(count)
    raise error


@pytest.mark.parametrize("count", [0, 10, 5000])
@pytest.mark.parametrize("error", [ProducerError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_what_the_iterator_raises_comes_through_and_leaves_no_trace(
    storage: StorageEngine, count: int, error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught:
        storage.create_events_table("t", failing(count, error), EVENTS, batch_size=500)
    assert caught.value is error
    assert not storage.table_exists("t")
    assert storage.create_events_table("t", make_events(3), EVENTS) == 3


def test_a_driver_error_of_the_iterator_itself_is_not_taken_for_ours(
    storage: StorageEngine,
) -> None:
    import duckdb

    def from_elsewhere() -> Iterator[Record]:
        yield make_event()
        duckdb.connect(":memory:").execute("SELECT nope")

    with pytest.raises(duckdb.BinderException):
        storage.create_events_table("t", from_elsewhere(), EVENTS)
    assert not storage.table_exists("t")


@pytest.mark.parametrize("call", [1, 3])
def test_what_the_callback_raises_aborts_the_load(storage: StorageEngine, call: int) -> None:
    calls: list[int] = []

    def progress(rows: int) -> None:
        calls.append(rows)
        if len(calls) == call:
            raise ProducerError

    with pytest.raises(ProducerError):
        storage.create_events_table("t", make_events(3000), EVENTS, progress, batch_size=1000)
    assert len(calls) == call
    assert not storage.table_exists("t")


def test_an_iterator_that_fails_leaves_the_appended_table_as_it_was(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", make_events(10), EVENTS)
    with pytest.raises(ProducerError):
        storage.append_events_table("t", failing(4000, ProducerError()), EVENTS)
    assert storage.list_tables()[0].row_count == 10
    assert storage.append_events_table("t", make_events(11), EVENTS) == 1


def test_all_errors_have_one_base(storage: StorageEngine) -> None:
    with pytest.raises(MixpanelDataError) as caught:
        storage.create_events_table("t", [{}], EVENTS)
    assert caught.value.message == str(caught.value)


TIMES: dict[str, tuple[Any, datetime]] = {
    "aware UTC": (
        datetime(2025, 1, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
        datetime(2025, 1, 31, 23, 59, 59, 999999),
    ),
    "naive": (datetime(2025, 1, 1, 0, 0, 0, 1), datetime(2025, 1, 1, 0, 0, 0, 1)),
    "another zone": (
        datetime(2025, 1, 1, 1, tzinfo=timezone(timedelta(hours=-8))),
        datetime(2025, 1, 1, 9),
    ),
    "Z": ("2025-01-01T00:00:00Z", datetime(2025, 1, 1)),
    "an offset": ("2025-01-01T01:30:00.5+01:30", datetime(2025, 1, 1, 0, 0, 0, 500000)),
    "no zone": ("2025-01-01 12:34:56.123456", datetime(2025, 1, 1, 12, 34, 56, 123456)),
    "nanoseconds": ("2025-01-01T00:00:00.123456789", datetime(2025, 1, 1, 0, 0, 0, 123456)),
    "basic time": ("2025-01-01T123456Z", datetime(2025, 1, 1, 12, 34, 56)),
    "no seconds": ("2025-01-01T12:34", datetime(2025, 1, 1, 12, 34)),
    "a day": ("2025-01-01", datetime(2025, 1, 1)),
    "epoch seconds": (1735689600, datetime(2025, 1, 1)),
    "before 1970": (-1, datetime(1969, 12, 31, 23, 59, 59)),
    "fraction of a second": (1735689600.25, datetime(2025, 1, 1, 0, 0, 0, 250000)),
    "the last microsecond": (datetime.max, datetime.max),
    "the first microsecond": (datetime.min, datetime.min),
}


@pytest.mark.parametrize("case", TIMES)
def test_times_are_stored_as_utc_to_the_microsecond(storage: StorageEngine, case: str) -> None:
    given, expected = TIMES[case]
    storage.create_events_table("t", [make_event(event_time=given)], EVENTS)
    assert storage.execute_scalar("SELECT event_time FROM t") == expected


@pytest.mark.needs("order of rows")
def test_times_of_all_kinds_may_be_mixed(storage: StorageEngine) -> None:
    data = [make_event(n, event_time=given) for n, (given, _) in enumerate(TIMES.values())]
    storage.create_events_table("t", data, EVENTS)
    stored = [time for (time,) in storage.execute_rows("SELECT event_time FROM t")]
    assert stored == [expected for _, expected in TIMES.values()]


def test_naive_and_aware_datetimes_may_be_mixed(storage: StorageEngine) -> None:
    pair = [
        make_event(0, event_time=datetime(2025, 1, 1)),
        make_event(1, event_time=datetime(2025, 1, 1, tzinfo=timezone.utc)),
    ]
    storage.create_events_table("t", pair, EVENTS)
    assert storage.execute_scalar("SELECT count(DISTINCT event_time) FROM t") == 1


def test_a_time_that_utc_moves_past_the_year_9999_is_refused(storage: StorageEngine) -> None:
    late = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", [make_event(0), make_event(1, event_time=late)], EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_time")
