"""What the time of an event means: the unit of a number, and the time zone of a wall clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import RecordError, StorageEngine, TimeUnitError, read_events_export
from mixpanel_data.common.times import EPOCH, MICROSECOND
from mixpanel_data.ingest.clock import Clock
from tests.records import EVENTS, PROFILES, make_event


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


CASES = Path(__file__).parent / "cases"
FOUR = datetime(2025, 11, 24, 16)
SECONDS = 1764000000


def lines_of(*times: Any) -> list[str]:
    return [
        json.dumps({"event": "Tap", "properties": {"time": time, "$insert_id": str(number)}})
        for number, time in enumerate(times)
    ]


def as_file(folder: Path, lines: list[str]) -> Path:
    path = folder / "export.jsonl"
    path.write_text("\n".join(lines))
    return path


WAYS: dict[str, Callable[[Path, list[str]], Any]] = {
    "file": as_file,
    "lines": lambda _, lines: lines,
}


@pytest.fixture(params=WAYS)
def times_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., list[datetime]]:
    def run(*times: Any, **options: Any) -> list[datetime]:
        with StorageEngine.memory() as storage:
            data = WAYS[request.param](tmp_path, lines_of(*times))
            storage.load_events_export("t", data, EVENTS, **options)
            rows = storage.execute_rows("SELECT event_time FROM t ORDER BY insert_id::INT")
        return [time for (time,) in rows]

    return run


@pytest.mark.parametrize(
    ("time", "unit"),
    [(SECONDS, "s"), (SECONDS * 10**3, "ms"), (SECONDS * 10**6, "us"), (float(SECONDS), "s")],
)
def test_by_default_the_size_of_a_number_in_a_file_tells_its_unit(
    times_of: Callable[..., list[datetime]], time: float, unit: str
) -> None:
    assert times_of(time) == [FOUR]
    assert times_of(time, time_unit=unit) == [FOUR]


@pytest.mark.parametrize("time", [10**11 - 1, 10**11, 10**14 - 1, 10**14, 10**17 - 1, 0, -1])
def test_the_bands_of_the_units_end_where_the_documentation_says(
    times_of: Callable[..., list[datetime]], time: int
) -> None:
    factor = 10**6 if time < 10**11 else 10**3 if time < 10**14 else 1
    assert times_of(time) == [EPOCH + timedelta(microseconds=time * factor)]


@pytest.mark.parametrize("other", [SECONDS * 10**3, SECONDS * 10**6, str(SECONDS * 10**3)])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_two_units_in_one_load_are_an_error_whatever_on_error_is(
    times_of: Callable[..., list[datetime]], other: Any, on_error: str
) -> None:
    with pytest.raises(TimeUnitError) as caught:
        times_of(SECONDS, other, on_error=on_error)
    assert "'s' (1764000000)" in str(caught.value)
    assert set(caught.value.examples) > {"s"}


def test_two_units_in_two_files_are_an_error_too(storage: StorageEngine, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "a.jsonl").write_text(lines_of(SECONDS)[0])
    (folder / "b.jsonl").write_text(lines_of(0, SECONDS * 1000)[1])
    with pytest.raises(TimeUnitError):
        storage.load_events_export("t", folder, EVENTS)
    with pytest.raises(TimeUnitError):
        list(read_events_export(folder))
    assert storage.list_tables() == []


def test_text_and_numbers_of_one_unit_go_together(
    times_of: Callable[..., list[datetime]],
) -> None:
    times = times_of(SECONDS, "2025-11-24T16:00:00Z", str(SECONDS), "2025-11-24 16:00:00 UTC")
    assert times == [FOUR] * 4


def test_a_unit_that_is_said_is_that_of_all_numbers(
    times_of: Callable[..., list[datetime]],
) -> None:
    later = EPOCH + timedelta(milliseconds=SECONDS)
    assert times_of(SECONDS, SECONDS * 1000, time_unit="ms") == [later, FOUR]


def test_records_and_arrow_are_in_seconds_unless_said(storage: StorageEngine) -> None:
    record = make_event(0, event_time=SECONDS * 1000)
    with pytest.raises(RecordError, match="time_unit"):
        storage.create_events_table("t", [record], EVENTS)
    storage.create_events_table("t", [record], EVENTS, time_unit="ms")
    frame = pa.Table.from_pylist([{**record, "insert_id": "b", "properties": "{}"}])
    storage.append_events_table("t", frame, EVENTS, time_unit="auto")
    assert storage.execute_rows("SELECT DISTINCT event_time FROM t") == [(FOUR,)]


LOS_ANGELES = "America/Los_Angeles"
PACIFIC = [
    datetime(2022, 1, 1, 20),
    datetime(2022, 7, 1, 19),
    datetime(2022, 11, 6, 8, 30),  # 01:30 twice: the first of the two
]


@pytest.mark.parametrize("way", WAYS)
def test_wall_clock_times_of_a_zone_become_utc(storage: StorageEngine, way: str) -> None:
    path = CASES / "los-angeles-2022.jsonl"
    data = path if way == "file" else path.read_text().splitlines()
    storage.load_events_export("t", data, EVENTS, time_zone=LOS_ANGELES)
    rows = storage.execute_rows("SELECT event_time FROM t ORDER BY 1")
    assert [time for (time,) in rows] == PACIFIC


def test_a_time_that_does_not_exist_has_the_offset_from_before(
    times_of: Callable[..., list[datetime]],
) -> None:
    local = int(datetime(2022, 3, 13, 2, 30, tzinfo=timezone.utc).timestamp())
    assert times_of(local, time_zone=LOS_ANGELES) == [datetime(2022, 3, 13, 10, 30)]


def test_the_zone_is_that_of_numbers_and_of_text_that_names_none(
    times_of: Callable[..., list[datetime]],
) -> None:
    times = [SECONDS, "2025-11-24T16:00:00", "2025-11-24T16:00:00Z", "2025-11-24T16:00:00+01:00"]
    eight = timedelta(hours=8)
    expected = [FOUR + eight, FOUR + eight, FOUR, FOUR - timedelta(hours=1)]
    assert times_of(*times, time_zone=LOS_ANGELES) == expected


def test_records_have_the_zone_where_their_times_are_numbers_or_text(
    storage: StorageEngine,
) -> None:
    given_times: list[Any] = [
        SECONDS,
        "2025-11-24T16:00:00",
        FOUR,
        FOUR.replace(tzinfo=timezone.utc),
        "2025-11-24T16:00:00Z",
    ]
    records = [make_event(i, event_time=time) for i, time in enumerate(given_times)]
    storage.create_events_table("t", records, EVENTS, time_zone=LOS_ANGELES)
    query = "SELECT event_time FROM t ORDER BY rowid"
    eight = FOUR + timedelta(hours=8)
    times = [time for (time,) in storage.execute_rows(query)]
    assert times == [eight, eight, FOUR, FOUR, FOUR]


def test_an_id_is_made_of_the_time_as_it_stands_in_the_source(storage: StorageEngine) -> None:
    line = json.dumps({"event": "Tap", "properties": {"time": SECONDS}})
    for name, zone in (("a", None), ("b", LOS_ANGELES)):
        storage.load_events_export(name, [line], EVENTS, time_zone=zone)
    record = {"event_name": "Tap", "event_time": SECONDS, "distinct_id": "", "properties": {}}
    storage.create_events_table("c", [record], EVENTS, time_zone=LOS_ANGELES)
    ids = storage.execute_rows("SELECT DISTINCT insert_id FROM (FROM a UNION FROM b UNION FROM c)")
    assert len(ids) == 1


def test_last_seen_has_no_zone(storage: StorageEngine) -> None:
    line = '{"$distinct_id": "a", "$properties": {"$last_seen": "2025-11-24T16:00:00"}}'
    storage.load_profiles_export("users", [line], PROFILES)
    assert storage.execute_scalar("SELECT last_seen FROM users") == FOUR


def test_an_unknown_zone_is_refused_before_anything_is_read(storage: StorageEngine) -> None:
    def data() -> Any:
        raise AssertionError
        yield

    with pytest.raises(ValueError, match="'Mars/Olympus', which is no time zone"):
        storage.create_events_table("t", data(), EVENTS, time_zone="Mars/Olympus")


ZONES = ["America/Los_Angeles", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe"]
ZONES += ["Africa/Monrovia", "Pacific/Apia", "America/St_Johns", "UTC"]


@given(
    zone=st.sampled_from(ZONES),
    times=st.lists(
        st.one_of(
            st.datetimes(datetime(1883, 1, 1), datetime(2100, 1, 1)),
            st.datetimes(datetime(2022, 3, 12), datetime(2022, 3, 14)),
            st.datetimes(datetime(1972, 1, 6, 23), datetime(1972, 1, 7, 2)),
        ),
        min_size=1,
    ),
)
def test_many_times_become_utc_as_each_of_them_does(zone: str, times: list[datetime]) -> None:
    clock = Clock("s", ZoneInfo(zone))
    times = [time.replace(fold=0) for time in times]
    local = [(time - EPOCH) // MICROSECOND for time in times]
    expected = [
        (time.replace(tzinfo=ZoneInfo(zone)) - EPOCH.replace(tzinfo=timezone.utc)) // MICROSECOND
        for time in times
    ]
    assert clock.all_to_utc(np.array(local, np.int64)).tolist() == expected
    assert [clock.to_utc(time) for time in local] == expected


@pytest.mark.parametrize(
    "time",
    [
        date(2025, 11, 24),
        pd.Timestamp("2025-11-24"),
        np.int64(1763942400),
        np.float64(1763942400),
        "2025-11-24",
        datetime(2025, 11, 24, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=lambda time: f"{type(time).__module__}.{type(time).__name__}",
)
def test_times_of_the_common_libraries_are_times(storage: StorageEngine, time: Any) -> None:
    storage.create_events_table("t", [make_event(0, event_time=time)], EVENTS)
    assert storage.execute_scalar("SELECT event_time FROM t") == datetime(2025, 11, 24)


@pytest.mark.parametrize(
    "number",
    [Decimal("NaN"), Decimal("Infinity"), float("inf"), 10**400],
    ids=["NaN", "Infinity", "inf", "huge"],
)
@pytest.mark.parametrize("unit", ["auto", "s"])
def test_a_number_that_is_no_time_is_refused_and_says_nothing_of_the_unit(
    storage: StorageEngine, number: Any, unit: Any
) -> None:
    data = [make_event(0, event_time=number), make_event(1, event_time=SECONDS)]
    options: Any = {"time_unit": unit, "on_error": "skip"}
    result = storage.create_events_table("t", data, EVENTS, **options)
    assert (result, result.rejected) == (1, 1)


LAST_HOUR, FIRST_HOUR = "9999-12-31T23:00:00", "0001-01-01T00:00:00"
TOKYO = "Asia/Tokyo"


def records_of(times: list[Any]) -> list[dict[str, Any]]:
    return [make_event(number, event_time=time, properties={}) for number, time in enumerate(times)]


def objects_of(times: list[Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(*times)]


def frame_of(times: list[Any]) -> pd.DataFrame:
    rows = [{**record, "properties": "{}"} for record in records_of(times)]
    return pd.DataFrame(rows)


LOADING: dict[str, Callable[..., Any]] = {
    "records": lambda storage, _, times, **options: storage.create_events_table(
        "t", records_of(times), EVENTS, **options
    ),
    "pandas": lambda storage, _, times, **options: storage.create_events_table(
        "t", frame_of(times), EVENTS, **options
    ),
    "arrow": lambda storage, _, times, **options: storage.create_events_table(
        "t", pa.Table.from_pandas(frame_of(times)), EVENTS, **options
    ),
    "objects": lambda storage, _, times, **options: storage.load_events_export(
        "t", objects_of(times), EVENTS, **options
    ),
    "lines": lambda storage, _, times, **options: storage.load_events_export(
        "t", lines_of(*times), EVENTS, **options
    ),
    "file": lambda storage, folder, times, **options: storage.load_events_export(
        "t", as_file(folder, lines_of(*times)), EVENTS, **options
    ),
}


@pytest.mark.parametrize("way", LOADING)
@pytest.mark.parametrize(("time", "zone"), [(LAST_HOUR, LOS_ANGELES), (FIRST_HOUR, TOKYO)])
def test_a_wall_clock_time_that_is_in_no_year_of_utc_is_refused(
    storage: StorageEngine, tmp_path: Path, way: str, time: str, zone: str
) -> None:
    times = ["2022-01-01T12:00:00", time]
    with pytest.raises(RecordError, match="is not between the years 1 and 9999") as caught:
        LOADING[way](storage, tmp_path, times, time_zone=zone)
    assert caught.value.index == 1
    assert storage.list_tables() == []
    LOADING[way](storage, tmp_path, times, time_zone=zone, on_error="skip")
    assert storage.execute_scalar("SELECT year(event_time) FROM t") == 2022


@pytest.mark.parametrize("way", LOADING)
@pytest.mark.parametrize(("time", "zone"), [(LAST_HOUR, TOKYO), (FIRST_HOUR, LOS_ANGELES)])
def test_one_that_is_in_a_year_of_utc_is_stored(
    storage: StorageEngine, tmp_path: Path, way: str, time: str, zone: str
) -> None:
    LOADING[way](storage, tmp_path, [time], time_zone=zone)
    stored = storage.execute_scalar("SELECT event_time FROM t")
    assert stored.year == int(time[:4])


@pytest.mark.parametrize("count", [253402297200, 253402297200.5, Decimal(253402297200)])
def test_a_number_near_the_end_of_9999_is_refused_where_utc_is_later(
    storage: StorageEngine, count: Any
) -> None:
    data = records_of([count])
    with pytest.raises(RecordError, match="is not between the years 1 and 9999"):
        storage.create_events_table("t", data, EVENTS, time_zone=LOS_ANGELES)
    assert storage.create_events_table("t", data, EVENTS) == 1


def test_days_are_not_replaced_by_a_time_that_is_in_no_year_of_utc(storage: StorageEngine) -> None:
    storage.create_events_table("t", records_of([LAST_HOUR]), EVENTS)
    with pytest.raises(RecordError, match="is not between the years 1 and 9999"):
        storage.replace_range(
            "t",
            records_of([LAST_HOUR]),
            "9999-12-31",
            "9999-12-31",
            EVENTS,
            time_zone=LOS_ANGELES,
        )
    assert storage.execute_scalar("SELECT count(*) FROM t") == 1
