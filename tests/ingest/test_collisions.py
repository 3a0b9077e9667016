"""Events that share an id but are not the same event: dropped, kept under an own id, or refused."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import DuplicateRecordError, KeyCollisionError, StorageEngine
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, Record, make_event


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


CASE = Path(__file__).parent / "cases" / "same-id-other-event.jsonl"


def event(name: str, key: str = "k", **fields: Any) -> Record:
    return make_event(0, event_name=name, insert_id=key, **fields)


def test_a_collision_is_dropped_and_counted_unless_said_otherwise(storage: StorageEngine) -> None:
    result = storage.load_events_export("t", CASE, EVENTS)
    assert (result, result.duplicates, result.collisions) == (1, 1, 1)


def test_a_collision_can_be_kept_under_an_id_of_its_own(storage: StorageEngine) -> None:
    result = storage.load_events_export("t", CASE, EVENTS, on_collision="keep")
    assert (result, result.duplicates, result.collisions) == (2, 1, 0)
    rows = storage.execute_rows("""SELECT insert_id, properties->>'$."$insert_id"' FROM t""")
    assert rows[0] == ("order-77", None)
    assert rows[1][0] != "order-77"
    assert rows[1][1] == "order-77"


def test_keeping_collisions_again_adds_nothing(storage: StorageEngine) -> None:
    for if_exists, added in (("fail", 2), ("append", 0)):
        options: Any = {"if_exists": if_exists, "on_collision": "keep"}
        assert storage.load_events_export("t", CASE, EVENTS, **options) == added


@pytest.mark.parametrize("primary_key", [True, False])
def test_another_event_is_never_replaced(
    storage: StorageEngine, primary_key: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def rows() -> list[tuple[Any, ...]]:
        return storage.execute_rows("SELECT event_name, properties FROM t")

    data = [event("A", properties={"n": 1}), event("B"), event("A", properties={"n": 2})]
    options: Any = {"on_conflict": "replace"}
    made = storage.create_events_table("t", data, EVENTS, primary_key=primary_key, **options)
    assert (made.added, made.duplicates, made.collisions) == (1, 1, 1)
    assert rows() == [("A", '{"n":2}')]
    assert "differ from the row kept" in caplog.text
    data = [event("B"), event("A", properties={"n": 3}), event("C")]
    result = storage.append_events_table("t", data, EVENTS, **options)
    assert (result.added, result.replaced, result.collisions) == (0, 1, 2)
    assert result.read == 3
    assert rows() == [("A", '{"n":3}')]
    assert storage.append_events_table("t", [event("B")], EVENTS, **options).collisions == 1
    assert rows() == [("A", '{"n":3}')]


def test_a_collision_can_end_the_load(storage: StorageEngine) -> None:
    with pytest.raises(KeyCollisionError) as caught:
        storage.load_events_export("t", CASE, EVENTS, on_collision="error")
    assert (caught.value.key, caught.value.index) == ("order-77", 1)
    assert isinstance(caught.value, DuplicateRecordError)
    assert storage.list_tables() == []


@pytest.mark.parametrize("on_conflict", ["ignore", "error"])
def test_of_several_files_the_one_with_the_collision_is_named(
    storage: StorageEngine, tmp_path: Path, on_conflict: Literal["ignore", "error"]
) -> None:
    first, second, _ = CASE.read_text().splitlines()
    contents = {
        "a.jsonl": [first.replace("order-77", "other"), ""],
        "b.jsonl": [first],
        "c.jsonl": ["", second],
    }
    for name, lines in contents.items():
        (tmp_path / name).write_text("\n".join(lines))
    with pytest.raises(DuplicateRecordError) as caught:
        storage.load_events_export(
            "t", tmp_path, EVENTS, on_collision="error", on_conflict=on_conflict
        )
    found = caught.value
    assert (found.details["path"], found.details["line"]) == (str(tmp_path / "c.jsonl"), 2)
    assert str(found).endswith("c.jsonl, line 2)")
    assert str(pickle.loads(pickle.dumps(found))) == str(found)


def test_a_collision_with_a_row_of_the_table_can_end_the_load(storage: StorageEngine) -> None:
    storage.create_events_table("t", [event("A")], EVENTS)
    assert storage.append_events_table("t", [event("A")], EVENTS, on_collision="error") == 0
    with pytest.raises(KeyCollisionError):
        storage.append_events_table("t", [event("B")], EVENTS, on_collision="error")


@pytest.mark.parametrize(
    "properties", [{}, {"a": 1}, {"a": {"b": "}"}}, {"$insert_id": "mine"}, {"é": "ü"}]
)
def test_the_properties_of_a_kept_event_stay_as_they_are(
    storage: StorageEngine, properties: dict[str, Any]
) -> None:
    data = [event("A"), event("B", properties=properties)]
    assert storage.create_events_table("t", data, EVENTS, on_collision="keep") == 2
    (kept,) = storage.execute_rows("SELECT properties::JSON FROM t WHERE event_name = 'B'")
    import json

    assert json.loads(kept[0]) == {**properties, "$insert_id": "k"}


def test_replacing_and_keeping_go_together(storage: StorageEngine) -> None:
    data = [event("A", properties={"n": 1}), event("B"), event("A", properties={"n": 2})]
    options: Any = {"on_conflict": "replace", "on_collision": "keep"}
    result = storage.create_events_table("t", data, EVENTS, **options)
    assert (result, result.duplicates) == (2, 1)
    assert storage.execute_scalar("SELECT properties->>'n' FROM t WHERE event_name = 'A'") == "2"


events = st.lists(
    st.builds(event, st.sampled_from("ABC"), st.sampled_from("kl"), event_time=st.integers(1, 2)),
    max_size=12,
)


@given(loads=st.lists(events, min_size=1, max_size=4), as_arrow=st.booleans())
@examples(60)
def test_in_whatever_order_they_come_each_event_is_kept_once(
    loads: list[list[Record]], as_arrow: bool
) -> None:
    identities = {
        (record["event_name"], record["event_time"], record["insert_id"])
        for load in loads
        for record in load
    }
    with empty_storage() as storage:
        for load in [*loads, *reversed(loads)]:
            data: Any = load
            if as_arrow and load:
                data = pa.Table.from_pylist([{**r, "properties": "{}"} for r in load])
            options: Any = {"if_exists": "append", "on_collision": "keep"}
            result = storage.create_events_table("t", data, EVENTS, **options)
            counts = (result.added, result.duplicates, result.collisions, result.replaced)
            assert result.read == len(load) == sum(counts)
        stored = storage.execute_rows("""
            SELECT event_name, epoch(event_time)::INT,
                   coalesce(properties->>'$."$insert_id"', insert_id) FROM t""")
        assert len(stored) == len(identities)
        assert {*stored} == identities
