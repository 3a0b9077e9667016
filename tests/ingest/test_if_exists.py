"""What a load does when its table exists: fail, append to it, or take its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    MetadataError,
    RecordError,
    StorageEngine,
    TableExistsError,
    TableNotFoundError,
)
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

WEEK = Path(__file__).parent / "cases" / "week1.jsonl"

Load = Callable[..., Any]


@pytest.fixture(params=["create", "load"])
def load(request: pytest.FixtureRequest, storage: StorageEngine) -> Load:
    def run(**options: Any) -> Any:
        if request.param == "load":
            return storage.load_events_export("t", WEEK, EVENTS, **options)
        return storage.create_events_table("t", make_events(5), EVENTS, **options)

    return run


@pytest.mark.parametrize("if_exists", ["fail", "append", "replace"])
def test_where_there_is_no_table_it_is_created(
    storage: StorageEngine, load: Load, if_exists: str
) -> None:
    assert load(if_exists=if_exists) == 5
    assert storage.list_tables()[0].row_count == 5


def test_by_default_the_table_must_not_exist(load: Load) -> None:
    load()
    with pytest.raises(TableExistsError, match="append"):
        load()


def test_rows_are_appended(storage: StorageEngine, load: Load) -> None:
    storage.create_events_table("t", [make_event(999)], EVENTS)
    assert load(if_exists="append") == 5
    assert load(if_exists="append") == 0
    assert storage.list_tables()[0].row_count == 6


def test_the_table_is_replaced(storage: StorageEngine, load: Load) -> None:
    storage.create_events_table("T", [make_event(999)], EVENTS, primary_key=False)
    assert load(if_exists="replace") == 5
    (table,) = storage.list_tables()
    assert (table.name, table.row_count) == ("t", 5)
    assert storage.get_schema("t").columns[3].primary_key


def test_a_table_of_the_other_kind_is_replaced_but_not_appended_to(
    storage: StorageEngine, load: Load
) -> None:
    storage.create_profiles_table("t", make_profiles(3), PROFILES)
    with pytest.raises(MetadataError):
        load(if_exists="append")
    assert load(if_exists="replace") == 5
    assert storage.list_tables()[0].type == "events"


@pytest.mark.parametrize("create", ["CREATE TABLE t AS", "CREATE VIEW t AS"])
def test_what_is_not_ours_is_never_replaced(
    storage: StorageEngine, load: Load, create: str
) -> None:
    storage.connection.execute(f"{create} SELECT 42 AS answer")
    for if_exists in ("append", "replace"):
        with pytest.raises(TableExistsError, match="adopt_table"):
            load(if_exists=if_exists)
    assert storage.execute_scalar("SELECT answer FROM t") == 42


def test_the_old_table_stays_when_the_new_rows_cannot_be_stored(storage: StorageEngine) -> None:
    storage.create_events_table("t", make_events(7), EVENTS)

    def data() -> Iterator[Any]:
        yield from make_events(3000)
        yield None

    with pytest.raises(RecordError):
        storage.create_events_table("t", data(), EVENTS, if_exists="replace")
    assert storage.execute_scalar("SELECT count(*) FROM t") == 7
    assert storage.list_tables()[0].row_count == 7


def test_appending_methods_need_the_table(storage: StorageEngine) -> None:
    with pytest.raises(TableNotFoundError, match="create_events_table"):
        storage.append_events_table("t", [], EVENTS)


def test_an_unknown_word_is_refused(storage: StorageEngine) -> None:
    with pytest.raises(ValueError, match="if_exists is 'update'"):
        storage.create_events_table("t", [], EVENTS, if_exists="update")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="if_exists is None"):
        storage.create_events_table("t", [], EVENTS, if_exists=None)  # type: ignore[arg-type]
