"""One row per key: which one stays, what is counted, what is logged."""

from __future__ import annotations

import json
import logging
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import DuplicateRecordError, RecordError, StorageEngine
from mixpanel_data.types import OnConflict
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, PROFILES, Record, make_event, make_events, make_profile

BOTH_WAYS = pytest.mark.parametrize("primary_key", [True, False])


def event(key: str, version: int) -> Record:
    return make_event(0, insert_id=key, properties={"version": version})


def versions(storage: StorageEngine) -> dict[str, int]:
    rows = storage.execute_rows("SELECT insert_id, properties FROM t")
    assert len(rows) == len({key for key, _ in rows})
    return {key: json.loads(properties)["version"] for key, properties in rows}


@BOTH_WAYS
@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [("ignore", {"a": 1, "b": 2}), ("replace", {"a": 4, "b": 2})],
)
def test_the_first_or_the_last_of_a_load_stays(
    storage: StorageEngine,
    primary_key: bool,
    on_conflict: OnConflict,
    expected: dict[str, int],
) -> None:
    data = [event("a", 1), event("b", 2), event("a", 3), event("a", 4)]
    added = storage.create_events_table(
        "t", data, EVENTS, batch_size=2, primary_key=primary_key, on_conflict=on_conflict
    )
    assert added == 2
    assert versions(storage) == expected


@BOTH_WAYS
@pytest.mark.parametrize(
    ("on_conflict", "expected"),
    [("ignore", {"a": 1, "b": 2, "c": 4}), ("replace", {"a": 6, "b": 2, "c": 5})],
)
def test_an_append_keeps_or_replaces_what_the_table_has(
    storage: StorageEngine,
    primary_key: bool,
    on_conflict: OnConflict,
    expected: dict[str, int],
) -> None:
    data = [event("a", 1), event("b", 2)]
    storage.create_events_table("t", data, EVENTS, primary_key=primary_key)
    more = [event("a", 3), event("c", 4), event("c", 5), event("a", 6)]
    assert storage.append_events_table("t", more, EVENTS, on_conflict=on_conflict) == 1
    assert versions(storage) == expected


@BOTH_WAYS
def test_many_rows_are_replaced_at_once(storage: StorageEngine, primary_key: bool) -> None:
    storage.create_events_table("t", make_events(20_000), EVENTS, primary_key=primary_key)
    newer = (make_event(n, properties={"new": True}) for n in range(5_000, 25_000))
    assert storage.append_events_table("t", newer, EVENTS, on_conflict="replace") == 5_000
    counts = storage.execute_rows("SELECT count(*), count(properties->>'new') FROM t")
    assert counts == [(25_000, 20_000)]


def test_error_names_the_first_record_whose_key_occurs_again(storage: StorageEngine) -> None:
    data = [*make_events(4000), event("a", 1), *make_events(10, start=5000), event("a", 2)]
    with pytest.raises(DuplicateRecordError) as caught:
        storage.create_events_table("t", data, EVENTS, batch_size=1000, on_conflict="error")
    error = caught.value
    assert (error.index, error.field, error.key) == (4011, "insert_id", "a")
    assert isinstance(error, RecordError)
    assert not storage.table_exists("t")


def test_error_names_the_first_record_whose_key_the_table_has(storage: StorageEngine) -> None:
    storage.create_events_table("t", [event("a", 1), event("b", 1)], EVENTS)
    data = [event("c", 2), event("b", 2), event("a", 2)]
    with pytest.raises(DuplicateRecordError) as caught:
        storage.append_events_table("t", data, EVENTS, on_conflict="error")
    assert (caught.value.index, caught.value.key) == (1, "b")
    assert versions(storage) == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("keys", "first"), [("bcc", 0), ("ccb", 1), ("cbc", 1), ("cdeb", 3), ("cdd", 2)]
)
def test_error_names_the_first_of_records_that_the_table_or_the_load_has(
    storage: StorageEngine, keys: str, first: int
) -> None:
    storage.create_events_table("t", [event("a", 1), event("b", 1)], EVENTS)
    data = [event(key, 2) for key in keys]
    with pytest.raises(DuplicateRecordError) as caught:
        storage.append_events_table("t", data, EVENTS, on_conflict="error")
    assert (caught.value.index, caught.value.key) == (first, keys[first])
    assert versions(storage) == {"a": 1, "b": 1}


def test_error_lets_a_load_without_duplicates_pass(storage: StorageEngine) -> None:
    assert storage.create_events_table("t", make_events(5), EVENTS, on_conflict="error") == 5
    more = make_events(5, start=5)
    assert storage.append_events_table("t", more, EVENTS, on_conflict="error") == 5


def test_repetitions_are_logged_without_alarm(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mixpanel_data")
    storage.create_events_table("t", [event("a", 1), event("a", 2), event("b", 1)], EVENTS)
    storage.append_events_table("t", [event("b", 2), event("c", 1)], EVENTS)
    assert [(record.levelname, record.getMessage()[:12]) for record in caplog.records] == [
        ("INFO", "t: 1 rows ha"),
        ("INFO", "t: 1 rows ha"),
    ]


@pytest.mark.parametrize("field", ["event_name", "event_time", "distinct_id"])
def test_rows_that_share_an_id_but_tell_of_different_events_are_a_warning(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture, field: str
) -> None:
    first = event("a", 1)
    other: dict[str, Any] = {"event_name": "x", "event_time": 5, "distinct_id": "y"}
    second = {**first, field: other[field]}
    storage.create_events_table("created", [first, second, first], EVENTS)
    storage.create_events_table("appended", [first], EVENTS)
    storage.append_events_table("appended", [second], EVENTS)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert [warning.split(" of the rows")[0] for warning in warnings] == [
        "created: 1",
        "appended: 1",
    ]


def test_profiles_of_one_user_are_never_a_warning(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    data = [make_profile(1), make_profile(1, properties={"other": True}, last_seen=None)]
    assert storage.create_profiles_table("users", data, PROFILES, on_conflict="replace") == 1
    assert [r for r in caplog.records if r.levelname == "WARNING"] == []
    assert storage.execute_scalar("SELECT properties FROM users") == '{"other":true}'


Model = dict[str, int]
keys_and_versions = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 99)), max_size=12)


def settle(model: Model, data: list[tuple[str, int]], on_conflict: OnConflict) -> Model:
    """What a dict would hold after the same load."""
    for key, version in data:
        if on_conflict == "replace" or key not in model:
            model[key] = version
    return model


@examples(25)
@given(
    first=keys_and_versions,
    second=keys_and_versions,
    on_conflict=st.sampled_from(["ignore", "replace"]),
    primary_key=st.booleans(),
)
def test_loads_behave_like_a_dict_of_the_keys(
    first: list[tuple[str, int]],
    second: list[tuple[str, int]],
    on_conflict: Literal["ignore", "replace"],
    primary_key: bool,
) -> None:
    with empty_storage() as storage:
        expected: Model = {}
        for method, data in (("create", first), ("append", second)):
            before = len(expected)
            expected = settle(expected, data, on_conflict)
            options: dict[str, Any] = {"on_conflict": on_conflict, "batch_size": 3}
            if method == "create":
                options["primary_key"] = primary_key
            load = getattr(storage, f"{method}_events_table")
            added = load("t", [event(*pair) for pair in data], EVENTS, **options)
            assert added == len(expected) - before
            assert versions(storage) == expected
            assert storage.list_tables()[0].row_count == len(expected)
