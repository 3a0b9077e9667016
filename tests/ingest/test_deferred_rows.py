"""Rows that may repeat a key wait for the end of the load, so that nothing is stored twice."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import DiskFullError, RecordError, StorageEngine
from mixpanel_data.ingest import deferred_rows, key_filter
from mixpanel_data.ingest.key_filter import BloomFilter, hashes_of
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, Record, make_event, make_events

Recorder = Callable[[StorageEngine], list[str]]
OnConflict = Literal["ignore", "replace"]


@pytest.fixture
def doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the filter so small that it suspects most keys."""
    monkeypatch.setattr(key_filter, "FIRST_WORDS", 2)
    monkeypatch.setattr(key_filter, "MAX_WORDS", 2)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold back hardly anything."""
    monkeypatch.setattr(deferred_rows, "MAX_DEFERRED_BYTES", 200)


def keys_of(storage: StorageEngine, name: str) -> list[str]:
    return sorted(key for (key,) in storage.execute_rows(f"SELECT insert_id FROM {name}"))


def repeated(count: int, every: int) -> list[Record]:
    """Return events of which every so many comes a second time, later and changed."""
    events = [make_event(number) for number in range(count)]
    again = [{**event, "properties": {"again": True}} for event in events[::every]]
    return events + again


def test_a_load_with_repetitions_deletes_nothing_that_it_has_stored(
    storage: StorageEngine, statements: Recorder
) -> None:
    seen = statements(storage)
    assert storage.create_events_table("t", repeated(3000, 100), EVENTS) == 3000
    assert not [statement for statement in seen if statement.startswith("DELETE FROM t ")]


@pytest.mark.needs("loads without staging")
def test_a_load_without_repetitions_needs_no_second_look(
    storage: StorageEngine, statements: Recorder
) -> None:
    seen = statements(storage)
    storage.create_events_table("t", make_events(3000), EVENTS)
    assert not [
        statement for statement in seen if "count(DISTINCT" in statement or "_staging" in statement
    ]


@pytest.mark.usefixtures("doubtful")
def test_a_wrong_suspicion_loses_no_row(storage: StorageEngine) -> None:
    events = list(make_events(3000))
    assert storage.create_events_table("t", iter(events), EVENTS, batch_size=100) == 3000
    assert keys_of(storage, "t") == sorted(event["insert_id"] for event in events)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("on_conflict", ["ignore", "replace"])
def test_too_many_repetitions_are_settled_after_all(
    storage: StorageEngine, on_conflict: OnConflict
) -> None:
    calls: list[int] = []
    rows = storage.create_events_table(
        "t", repeated(3000, 2), EVENTS, calls.append, batch_size=100, on_conflict=on_conflict
    )
    assert rows == 3000
    assert calls[-1] == 4500
    again = "SELECT count(*) FROM t WHERE properties->>'again' = 'true'"
    assert storage.execute_scalar(again) == (1500 if on_conflict == "replace" else 0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("on_conflict", ["ignore", "replace"])
def test_more_of_them_than_memory_takes_wait_in_a_file_without_a_name(
    path: Path, statements: Recorder, on_conflict: OnConflict
) -> None:
    names: set[str] = set()
    with StorageEngine(path) as storage:
        seen = statements(storage)
        rows = storage.create_events_table(
            "t",
            repeated(3000, 2),
            EVENTS,
            lambda _: names.update(file.name for file in path.parent.iterdir()),
            batch_size=100,
            on_conflict=on_conflict,
        )
        assert rows == 3000
        is_replaced = on_conflict == "replace"
        assert not is_replaced or any(sql.startswith("DELETE FROM t ") for sql in seen)
        assert is_replaced or not any(sql.startswith("DELETE FROM t ") for sql in seen)
        again = "SELECT count(*) FROM t WHERE properties->>'again' = 'true'"
        assert storage.execute_scalar(again) == (1500 if is_replaced else 0)
    assert names <= {path.name, f"{path.name}.wal", f"{path.name}.tmp"}


@pytest.mark.usefixtures("impatient")
@pytest.mark.skipif(
    find_spec("duckdb_extension_httpfs") is None, reason="there is no wheel of httpfs"
)
def test_rows_of_an_encrypted_database_wait_in_no_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("tempfile.TemporaryFile")
    with StorageEngine(path, encryption_key="secret") as storage:
        assert storage.create_events_table("t", repeated(3000, 2), EVENTS, batch_size=100) == 3000


@pytest.mark.usefixtures("impatient")
def test_a_disk_without_room_for_the_file_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("Linux only")
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full.open("r+b", buffering=0))
    with StorageEngine(path) as storage:
        with pytest.raises(DiskFullError, match="temporary file cannot grow"):
            storage.create_events_table("t", repeated(3000, 2), EVENTS, batch_size=100)
        assert storage.list_tables() == []


def test_progress_counts_the_rows_that_are_held_back(storage: StorageEngine) -> None:
    calls: list[int] = []
    storage.create_events_table("t", repeated(1000, 4), EVENTS, calls.append, batch_size=100)
    assert calls == [*range(100, 1251, 100), 1250]


@examples(25)
@given(
    numbers=st.lists(st.integers(0, 30), max_size=120),
    batch_size=st.integers(1, 40),
    on_conflict=st.sampled_from(["ignore", "replace"]),
    words=st.sampled_from([2, 64, 2**16]),
    most=st.sampled_from([0, 500, 2**20]),
)
def test_of_every_key_the_first_or_the_last_row_stays(
    numbers: list[int], batch_size: int, on_conflict: OnConflict, words: int, most: int
) -> None:
    records = [
        make_event(number, properties={"place": place}) for place, number in enumerate(numbers)
    ]
    places = list(enumerate(numbers))
    ordered = places if on_conflict == "replace" else reversed(places)
    expected = {number: place for place, number in ordered}
    with pytest.MonkeyPatch.context() as patch, empty_storage() as storage:
        patch.setattr(key_filter, "FIRST_WORDS", words)
        patch.setattr(deferred_rows, "MAX_DEFERRED_BYTES", most)
        rows = storage.create_events_table(
            "t", records, EVENTS, batch_size=batch_size, on_conflict=on_conflict
        )
        stored = storage.execute_rows("SELECT (properties->>'place')::INTEGER FROM t")
    assert rows == len(expected)
    assert sorted(place for (place,) in stored) == sorted(expected.values())


@examples(25)
@given(
    numbers=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    batch_size=st.integers(1, 20),
    most=st.sampled_from([0, 500, 2**20]),
    data=st.data(),
)
def test_a_bad_document_is_told_by_its_place_in_the_input(
    numbers: list[int], batch_size: int, most: int, data: st.DataObject
) -> None:
    bad = data.draw(st.integers(0, len(numbers) - 1))
    rows = [make_event(number) for number in numbers]
    table = pa.table(
        {
            "event_name": [row["event_name"] for row in rows],
            "event_time": [row["event_time"].replace(tzinfo=None) for row in rows],
            "distinct_id": [row["distinct_id"] for row in rows],
            "insert_id": [row["insert_id"] for row in rows],
            "properties": ["{}" if place != bad else "{" for place in range(len(rows))],
        }
    )
    with pytest.MonkeyPatch.context() as patch, empty_storage() as storage:
        patch.setattr(deferred_rows, "MAX_DEFERRED_BYTES", most)
        with pytest.raises(RecordError) as caught:
            storage.create_events_table("t", table, EVENTS, batch_size=batch_size)
        assert storage.list_tables() == []
    assert caught.value.index == bad


@examples(100)
@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_the_filter_never_takes_an_old_key_for_a_new_one(first: list[str], then: list[str]) -> None:
    seen = BloomFilter(1, 64)
    before: set[str] = set()
    for keys in (first, then):
        suspected = seen.add(pa.array(keys, pa.string()))
        for key, suspect in zip(keys, suspected, strict=True):
            assert suspect or key not in before
            before.add(key)


@pytest.mark.slow
def test_the_filter_hardly_ever_takes_a_new_key_for_an_old_one() -> None:
    seen = BloomFilter(2**16, key_filter.MAX_WORDS)
    for start in range(0, 200_000, 10_000):
        keys = [f"key-{number}" for number in range(start, start + 10_000)]
        assert seen.add(pa.array(keys)).sum() < 50


#: Of every length about the borders of the words that are hashed at a time, and long ones.
keys = st.builds(
    lambda start, middle, count, end: start + middle * count + end,
    st.text(max_size=9),
    st.sampled_from("a\0é"),
    st.sampled_from([0, 7, 8, 9, 100, 247, 248, 256, 1000]),
    st.text(max_size=9),
)


@examples(100)
@given(st.lists(keys, unique=True), st.data())
def test_a_key_has_one_hash_wherever_it_stands_and_no_other_key_has_it(
    several: list[str], data: st.DataObject
) -> None:
    alone = [int(hashes_of(pa.array([key]))[0]) for key in several]
    assert len({*alone}) == len(several)
    start = data.draw(st.integers(0, len(several)))
    stop = data.draw(st.integers(start, len(several)))
    beside = hashes_of(pa.array(several, pa.string())[start:stop])
    assert beside.tolist() == alone[start:stop]


@pytest.mark.parametrize("version", [None, "v1.2.0"])
def test_documents_are_compressed_whatever_the_format_of_the_file(
    path: Path, version: str | None
) -> None:
    config = {"storage_compatibility_version": version} if version else {}
    events = (make_event(n, properties={"url": f"https://shop.example/{n}"}) for n in range(5000))
    with StorageEngine(path, config=config) as storage:
        storage.create_events_table("t", events, EVENTS)
        storage.connection.execute("CHECKPOINT")
        methods = storage.execute_rows(
            "SELECT DISTINCT compression FROM pragma_storage_info('t') "
            "WHERE column_name = 'properties' AND compression <> 'Constant'"
        )
    assert methods
    assert "Uncompressed" not in [method for (method,) in methods]
    if version:
        assert methods == [("ZSTD",)]
