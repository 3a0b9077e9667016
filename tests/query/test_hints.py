"""Where people stumble over the spelling of a property, the error ends with the right one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mixpanel_data import QueryError, StorageEngine
from tests.records import EVENTS, make_events


@pytest.fixture(scope="module")
def events() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        yield storage


@pytest.mark.parametrize(
    "property_",
    [
        "properties->>'$browser'",
        "properties->'$browser'",
        "json_extract_string(properties, '$browser')",
        "$browser",
        '"$browser"',
    ],
)
def test_a_property_that_is_misspelt_ends_with_the_spelling_that_works(
    events: StorageEngine, property_: str
) -> None:
    query = f"SELECT {property_} FROM events_jan LIMIT 1"
    with pytest.raises(QueryError) as caught:
        events.execute_rows(query)
    assert caught.value.hint
    assert caught.value.message.endswith(caught.value.hint)
    assert caught.value.message.startswith(str(caught.value.__cause__))
    spelling = caught.value.hint.split("property as ")[1].removesuffix(".")
    assert spelling == """properties->>'$."$browser"'"""
    assert events.execute_scalar(f"SELECT {spelling} FROM events_jan LIMIT 1") == "Firefox"


def test_tables_and_columns_that_are_misspelt_name_the_nearest(events: StorageEngine) -> None:
    with pytest.raises(QueryError, match='"events_jan"'):
        events.execute_rows("SELECT * FROM event_jan")
    with pytest.raises(QueryError, match='"event_name"'):
        events.execute_rows("SELECT evnt_name FROM events_jan")


def test_other_errors_have_no_hint(events: StorageEngine) -> None:
    for query in ("SELECT nope", "SELEC 1", "SELECT ?"):
        with pytest.raises(QueryError) as caught:
            events.execute_rows(query)
        assert caught.value.hint is None
