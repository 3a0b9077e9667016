"""Records, Arrow data, data frames and export files: whatever the way in, the table is the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from mixpanel_data import DuplicateRecordError, RecordError, StorageEngine, TableExistsError
from tests.records import EVENTS, Record, make_event, make_events

Load = Callable[..., int]


def as_arrow(records: Sequence[Record]) -> pa.Table:
    return pa.table(
        {
            "event_name": pa.array([record["event_name"] for record in records], pa.string()),
            "event_time": pa.array(
                [record["event_time"] for record in records], pa.timestamp("us", "UTC")
            ),
            "distinct_id": pa.array([record["distinct_id"] for record in records], pa.string()),
            "insert_id": pa.array([record["insert_id"] for record in records], pa.string()),
            "properties": pa.array(
                [json.dumps(record["properties"]) for record in records], pa.string()
            ),
        }
    )


def as_lines(records: Sequence[Record]) -> bytes:
    lines = []
    for record in records:
        members = {
            "time": int(record["event_time"].timestamp()),
            "distinct_id": record["distinct_id"],
            "$insert_id": record["insert_id"],
            **record["properties"],
        }
        lines.append(json.dumps({"event": record["event_name"], "properties": members}))
    return "\n".join(lines).encode()


@pytest.fixture
def storage(path: Path) -> Iterator[StorageEngine]:
    """An engine over a file."""
    with StorageEngine(path) as storage:
        yield storage


@pytest.fixture(params=["records", "table", "reader", "pandas", "plain file", "gzip files"])
def load(request: pytest.FixtureRequest, storage: StorageEngine, tmp_path: Path) -> Load:
    """Create or append to a table by one of the ways in."""
    way = request.param

    def run(name: str, records: Sequence[Record], *, append: bool = False, **options: Any) -> int:
        if "file" in way:
            files = []
            for number, part in enumerate([records[:7], records[7:]]):
                lines = as_lines(part)
                packed = gzip.compress(lines) if "gzip" in way else lines
                files.append(tmp_path / f"{name}-{number}.jsonl")
                files[-1].write_bytes(packed)
            return storage.load_events_export(
                name, files, EVENTS, if_exists="append" if append else "fail", **options
            )
        data: Any = as_arrow(records)
        if way == "records":
            data = iter(records)
        elif way == "reader":
            data = data.to_reader()
        elif way == "pandas":
            data = pd.DataFrame(records, columns=data.schema.names)
        method = storage.append_events_table if append else storage.create_events_table
        return method(name, data, EVENTS, **options)

    return run


def stored_rows(storage: StorageEngine, name: str) -> list[tuple[Any, ...]]:
    return storage.execute_rows(
        "SELECT event_name, event_time, distinct_id, insert_id, "
        f"(properties->>'number')::INTEGER, properties->>'plan name' FROM {name} ORDER BY insert_id"
    )


def test_the_rows_are_those_of_the_records(storage: StorageEngine, load: Load) -> None:
    events = [
        *make_events(50),
        make_event(
            60, event_name="Größe ✓ \U0001f600", properties={"plan name": 'q"z', "number": 7}
        ),
        make_event(61, distinct_id="", properties={}),
    ]
    assert load("t", events) == 52
    assert stored_rows(storage, "t") == sorted(
        (
            (
                event["event_name"],
                event["event_time"].replace(tzinfo=None),
                event["distinct_id"],
                event["insert_id"],
                event["properties"].get("number"),
                event["properties"].get("plan name"),
            )
            for event in events
        ),
        key=lambda row: str(row[3]),
    )


def test_nothing_makes_an_empty_table(storage: StorageEngine, load: Load) -> None:
    assert load("t", []) == 0
    assert storage.execute_scalar("SELECT count(*) FROM t") == 0
    assert [table.row_count for table in storage.list_tables()] == [0]


@pytest.mark.parametrize("primary_key", [True, False])
@pytest.mark.parametrize(("on_conflict", "kept"), [("ignore", 0), ("replace", 1)])
def test_of_a_repeated_key_one_row_stays(
    storage: StorageEngine, load: Load, on_conflict: str, kept: int, primary_key: bool
) -> None:
    versions = [
        make_event(number, properties={"number": version})
        for version in (0, 1)
        for number in range(20)
    ]
    options = {"on_conflict": on_conflict, "primary_key": primary_key}
    assert load("t", versions, **options) == 20
    assert {row[4] for row in stored_rows(storage, "t")} == {kept}


def test_a_repeated_key_can_be_an_error_that_names_the_record(
    storage: StorageEngine, load: Load
) -> None:
    events = [*make_events(15), make_event(4), make_event(3)]
    with pytest.raises(DuplicateRecordError) as caught:
        load("t", events, on_conflict="error")
    assert caught.value.index == 15
    assert storage.list_tables() == []


def test_loading_the_same_again_adds_nothing(storage: StorageEngine, load: Load) -> None:
    events = list(make_events(30))
    load("t", events)
    before = stored_rows(storage, "t")
    assert load("t", events, append=True) == 0
    assert load("t", [*events, make_event(100)], append=True) == 1
    assert len(stored_rows(storage, "t")) == len(before) + 1


def test_appended_rows_can_replace_those_of_the_table(storage: StorageEngine, load: Load) -> None:
    load("t", list(make_events(10)))
    changed = [make_event(number, properties={"number": -1}) for number in range(5, 15)]
    assert load("t", changed, append=True, on_conflict="replace") == 5
    assert [row[4] for row in stored_rows(storage, "t")].count(-1) == 10


def test_a_table_that_exists_is_left_alone(storage: StorageEngine, load: Load) -> None:
    load("t", list(make_events(10)))
    with pytest.raises(TableExistsError):
        load("t", list(make_events(20)))
    assert len(stored_rows(storage, "t")) == 10


def test_a_bad_record_is_named_and_leaves_nothing(storage: StorageEngine, load: Load) -> None:
    events = list(make_events(20))
    events[12] = make_event(12, properties={"number": float("nan")})
    with pytest.raises(RecordError) as caught:
        load("t", events)
    assert caught.value.index in (12, 12 - 7)  # of all records, or of those of its file
    assert storage.list_tables() == []
    assert load("t", events[:12]) == 12


def test_progress_ends_with_the_number_of_records(storage: StorageEngine, load: Load) -> None:
    calls: list[int] = []
    load("t", [*make_events(40), *make_events(10)], progress_callback=calls.append)
    assert calls == sorted(calls)
    assert calls[-1] == 50


def test_a_callback_that_raises_leaves_nothing(storage: StorageEngine, load: Load) -> None:
    def refuse(rows: int) -> None:
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        load("t", list(make_events(40)), progress_callback=refuse)
    assert storage.list_tables() == []
    assert load("t", list(make_events(40))) == 40
