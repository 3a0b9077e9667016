"""What a load returns: the number of rows that were added, with all other counts."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from mixpanel_data import LoadResult, StorageEngine
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

CASES = Path(__file__).parent / "cases"


def counts_of(result: LoadResult) -> dict[str, int]:
    names = ("read", "added", "replaced", "duplicates", "collisions", "rejected", "generated_ids")
    return {name: getattr(result, name) for name in names if getattr(result, name)}


def test_every_way_to_load_returns_the_number_of_rows_added(storage: StorageEngine) -> None:
    results = [
        storage.create_events_table("a", make_events(3), EVENTS),
        storage.append_events_table("a", make_events(5), EVENTS),
        storage.create_profiles_table("b", make_profiles(2), PROFILES),
        storage.append_profiles_table("b", make_profiles(2), PROFILES),
        storage.load_events_export("c", CASES / "week1.jsonl", EVENTS),
        storage.load_profiles_export("d", CASES / "engage-page-0.json", PROFILES),
    ]
    assert results == [3, 2, 2, 0, 5, 3]
    assert all(type(result) is LoadResult for result in results)
    assert [result.files for result in results] == [0, 0, 0, 0, 1, 1]
    assert all(result.seconds > 0 for result in results)


def test_each_row_is_counted_once(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(10), EVENTS)
    data: list[Any] = [
        make_event(9),  # in the table
        make_event(20),
        make_event(20),  # in the load
        make_event(20, event_name="Another"),
        None,
        {**make_event(30), "insert_id": None},
    ]
    result = storage.append_events_table("t", data, EVENTS, on_error="skip")
    assert counts_of(result) == {
        "read": 6,
        "added": 2,
        "duplicates": 2,
        "collisions": 1,
        "rejected": 1,
        "generated_ids": 1,
    }
    assert result.summary.startswith(
        "2 rows added, 2 duplicates, 1 collision, 1 rejected, 1 without an id, in "
    )


def test_rows_in_the_place_of_others_are_replaced_not_added(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(10), EVENTS)
    data = [*make_events(12), make_event(3, event_name="Another")]
    result = storage.append_events_table("t", data, EVENTS, on_conflict="replace")
    assert counts_of(result) == {"read": 13, "added": 2, "replaced": 10, "collisions": 1}
    assert storage.execute_scalar("SELECT count(*) FROM t") == 12


def test_a_result_is_a_plain_number_to_others(storage: StorageEngine) -> None:
    result = storage.create_events_table("t", make_events(3), EVENTS)
    assert json.dumps([result]) == "[3]"
    assert orjson.dumps([result]) == b"[3]"
    assert f"{result} {result:,} {result + 1}" == "3 3 4"
    assert np.array([result]).dtype == np.int64
    assert storage.execute_scalar("SELECT ? * 2", [result]) == 6


@pytest.mark.parametrize("copied", [pickle.loads, None])
def test_a_result_is_copied_whole(storage: StorageEngine, copied: Any) -> None:
    result = storage.create_events_table("t", [*make_events(3), make_event(0)], EVENTS)
    again = copied(pickle.dumps(result)) if copied else copy.deepcopy(result)
    assert (again, vars(again)) == (3, vars(result))
    assert again.summary == result.summary


def test_a_result_cannot_be_changed(storage: StorageEngine) -> None:
    result = storage.create_events_table("t", make_events(1), EVENTS)
    with pytest.raises(AttributeError):
        result.added = 5
