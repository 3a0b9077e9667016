"""Events of some days take the place of those that the table had of these days."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mixpanel_data import RecordDayError, StorageEngine, TableMetadata, TableNotFoundError
from tests.records import EVENTS, Record, make_event

SECOND = date(2025, 1, 2)
THIRD = date(2025, 1, 3)


def at(day: int, key: str, *, hour: int = 0, **fields: Any) -> Record:
    time = datetime(2025, 1, day) + timedelta(hours=hour)
    return make_event(0, insert_id=key, event_time=time, properties={}, **fields)


@pytest.fixture
def filled(storage: StorageEngine) -> StorageEngine:
    events = [at(day, f"{day}-{hour}", hour=hour) for day in (1, 2, 3, 4) for hour in (0, 23)]
    storage.create_events_table("t", events, EVENTS)
    return storage


def keys_of(storage: StorageEngine) -> list[str]:
    return [key for (key,) in storage.execute_rows("SELECT insert_id FROM t ORDER BY 1")]


def lines_of(records: list[Record]) -> list[str]:
    return [
        json.dumps(
            {
                "event": record["event_name"],
                "properties": {
                    "time": int(record["event_time"].timestamp()),
                    "distinct_id": record["distinct_id"],
                    "$insert_id": record["insert_id"],
                },
            }
        )
        for record in records
    ]


def as_file(records: list[Record], folder: Path) -> Path:
    path = folder / "export.jsonl"
    path.write_text("\n".join(lines_of(records)))
    return path


WAYS: dict[str, Callable[[list[Record], Path], Any]] = {
    "records": lambda records, _: records,
    "an iterator": lambda records, _: iter(records),
    "a frame": lambda records, _: pd.DataFrame(records),
    "a file": as_file,
    "lines": lambda records, _: lines_of(records),
    "an iterator of lines": lambda records, _: iter(lines_of(records)),
    "an open file": lambda records, folder: as_file(records, folder).open("rb"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_days_have_the_new_events_and_the_others_their_own(
    filled: StorageEngine, tmp_path: Path, way: str
) -> None:
    new = [at(2, "2-0"), at(2, "new"), at(3, "late", hour=23)]
    data = WAYS[way](new, tmp_path)
    result = filled.replace_range("t", data, SECOND, "2025-01-03", EVENTS)
    assert (result, result.read) == (3, 3)
    assert keys_of(filled) == ["1-0", "1-23", "2-0", "4-0", "4-23", "late", "new"]
    assert filled.list_tables()[0].row_count == 7
    if hasattr(data, "close"):
        data.close()


@pytest.mark.parametrize("nothing", [[], iter([]), pd.DataFrame(columns=["event_name"])])
def test_days_can_be_emptied(filled: StorageEngine, nothing: Any) -> None:
    if isinstance(nothing, pd.DataFrame):
        nothing = pd.DataFrame([at(2, "a")]).iloc[:0]
    assert filled.replace_range("t", nothing, SECOND, SECOND, EVENTS) == 0
    assert keys_of(filled) == ["1-0", "1-23", "3-0", "3-23", "4-0", "4-23"]


@pytest.mark.parametrize("time", [datetime(2025, 1, 1, 23, 59, 59, 999999), datetime(2025, 1, 4)])
def test_an_event_of_another_day_ends_the_load_and_nothing_is_lost(
    filled: StorageEngine, time: datetime
) -> None:
    before = keys_of(filled)
    data: list[Any] = [None, at(2, "a"), make_event(1, event_time=time)]
    with pytest.raises(RecordDayError) as caught:
        filled.replace_range("t", data, SECOND, THIRD, EVENTS, on_error="skip")
    assert (caught.value.index, caught.value.time) == (2, time)
    assert keys_of(filled) == before


def test_an_id_of_another_day_is_a_duplicate(filled: StorageEngine) -> None:
    result = filled.replace_range("t", [at(2, "1-0"), at(2, "a")], SECOND, SECOND, EVENTS)
    assert (result, result.collisions) == (1, 1)
    assert "a" in keys_of(filled)


def test_a_load_that_fails_leaves_the_days_as_they_were(filled: StorageEngine) -> None:
    before = keys_of(filled)

    def data() -> Iterator[Record]:
        yield at(2, "a")
        raise KeyError

    with pytest.raises(KeyError):
        filled.replace_range("t", data(), SECOND, THIRD, EVENTS)
    assert keys_of(filled) == before


def test_metadata_covers_the_new_days(filled: StorageEngine) -> None:
    metadata = TableMetadata(
        "events", EVENTS.fetched_at, from_date="2025-03-01", to_date="2025-03-02"
    )
    filled.replace_range("t", [], "2025-03-01", "2025-03-02", metadata)
    assert filled.get_metadata("t").to_date == "2025-03-02"


def test_the_last_day_there_is_can_be_replaced(filled: StorageEngine) -> None:
    assert filled.replace_range("t", [at(2, "a")], date.min, date.max, EVENTS) == 1
    assert keys_of(filled) == ["a"]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ("2025-01-03", "2025-01-02", "is after"),
        ("2025-02-31", "2025-03-01", "from_date is '2025-02-31'"),
        ("2025-01-01", "20250102", "to_date is '20250102'"),
        (datetime(2025, 1, 1, 12), "2025-01-02", "from_date is"),
    ],
)
def test_days_that_are_none_are_refused(
    filled: StorageEngine, first: Any, last: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        filled.replace_range("t", [], first, last, EVENTS)
    assert len(keys_of(filled)) == 8


def test_the_table_must_exist(storage: StorageEngine) -> None:
    with pytest.raises(TableNotFoundError):
        storage.replace_range("t", [], SECOND, THIRD, EVENTS)
