"""Data of the wrong sort: what it is, and which method wants it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mixpanel_data import StorageEngine
from tests.records import EVENTS, Record, make_event, make_events


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


WRONG: dict[str, tuple[Any, str]] = {
    "None": (None, "data is None. Pass an iterable of records"),
    "a number": (5, "data is 5. Pass"),
    "a text": ("events.jsonl", "load_events_export"),
    "a path": (Path("events.jsonl"), "load_events_export"),
    "bytes": (b"{}", "load_events_export"),
    "an open file": (io.BytesIO(b"{}"), "load_events_export"),
    "one record": (make_event(), "Put it into a list"),
    "a lazy frame": (pl.LazyFrame({"event_name": ["a"]}), r"data\.collect\(\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_says_what_was_given_and_what_to_do(storage: StorageEngine, case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(TypeError, match=message):
        storage.create_events_table("t", data, EVENTS)
    assert storage.list_tables() == []


@pytest.mark.parametrize("wrong", [None, 5, {"event": "Tap"}, [None], [5]])
def test_exports_of_the_wrong_sort_are_named_too(storage: StorageEngine, wrong: Any) -> None:
    with pytest.raises(TypeError):
        storage.load_events_export("t", wrong, EVENTS)


def test_a_generator_that_was_used_up_is_noticed(storage: StorageEngine) -> None:
    def data() -> Iterator[Record]:
        yield from make_events(3)

    events = data()
    storage.create_events_table("t", events, EVENTS)
    with pytest.raises(ValueError, match="used up"):
        storage.append_events_table("t", events, EVENTS)
