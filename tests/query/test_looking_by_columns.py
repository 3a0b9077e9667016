"""What looks at a property uses its column, and answers the same as without one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from mixpanel_data import PropertyColumn, StorageEngine
from mixpanel_data.schema.tables import managed_table
from mixpanel_data.types import PropertyType
from tests.engines import empty_storage
from tests.examples import examples
from tests.hostile import utf8
from tests.records import EVENTS, make_event

#: JSON of values: such that types confuse, and such that the same value is spelled in many ways.
SPELLED = [
    *("1", "1.0", "1e0", "100", "1e2", '"1"', '"1.0"', "-0", "0", "0.0", '"-0"', "-1.5"),
    *("9223372036854775807", "9223372036854775808", "123456789012345678901234567890"),
    *("true", "false", '"true"', '"True"', "null", '"null"', '""', '" "', '" 1"', '"x"'),
    *("[]", '"[]"', '["a", 1]', "{}", '"{}"', '{"a": null}', '"\\u0041"', '"A"', '"a\\u0000b"'),
    *('"\\"x\\""', '"NaN"', '"2025-01-01"', '"2025-01-01T01:00:00+01:00"', "1735689600", '"é"'),
]
values = st.sampled_from(SPELLED) | utf8.map(json.dumps)
documents = values.map(lambda value: f'{{"p": {value}, "q": 1}}') | st.just('{"q": 2}')

LOOKS: dict[str, Callable[[StorageEngine, str], Any]] = {
    "distribution": lambda storage, table: storage.property_distribution(table, None, "p"),
    "distribution of an event": lambda storage, table: storage.property_distribution(
        table, "A", "p", limit=3
    ),
    "stats": lambda storage, table: storage.property_stats(table, "p"),
    "numeric summary": lambda storage, table: storage.numeric_summary(table, None, "p"),
    "coverage": lambda storage, table: storage.property_coverage(table, properties=["p", "q"]),
}


def load(storage: StorageEngine, name: str, found: list[str], *columns: Any) -> None:
    rows = [
        make_event(number, event_name="AB"[number % 2], properties=document)
        for number, document in enumerate(found)
    ]
    data = pa.Table.from_pylist(rows)
    storage.create_events_table(name, data, EVENTS, property_columns=columns)


def answers(storage: StorageEngine, table: str) -> dict[str, Any]:
    found = {}
    for name, look in LOOKS.items():
        result = look(storage, table)
        assert storage.execute_rows(result.sql) != []
        found[name] = repr(replace(result, sql="", table=""))
    return found


@given(
    st.lists(documents, min_size=1, max_size=12),
    st.sampled_from(get_args(PropertyType)),
    st.sampled_from(["p", "value", "plain", 'a "b"']),
)
@examples(40)
def test_answers_are_the_same_with_a_column_and_without(
    found: list[str], kind: PropertyType, name: str
) -> None:
    with empty_storage() as storage:
        load(storage, "without", found)
        load(storage, "with_column", found, PropertyColumn("p", kind, name=name))
        assert answers(storage, "with_column") == answers(storage, "without")


@pytest.mark.parametrize("kind", get_args(PropertyType))
def test_every_spelling_of_a_value_counts_as_it_does_without_a_column(kind: PropertyType) -> None:
    found = [f'{{"p": {value}}}' for value in SPELLED] * 2
    with empty_storage() as storage:
        load(storage, "without", found)
        load(storage, "with_column", found, PropertyColumn("p", kind, name="c"))
        assert answers(storage, "with_column") == answers(storage, "without")


@pytest.mark.parametrize("kind", ["VARCHAR", "JSON"])
def test_a_fresh_column_is_used_and_a_stale_one_is_not(kind: PropertyType) -> None:
    with empty_storage() as storage:
        load(storage, "e", ['{"p": "x"}'], PropertyColumn("p", kind, name="column_of_p"))
        assert "column_of_p" in storage.property_stats("e", "p").sql
        with storage.engine.begin() as connection:
            row = make_event(2, properties={"p": "y"})
            connection.execute(insert(managed_table("events", "e")), row)
        found = storage.property_stats("e", "p")
        assert "column_of_p" not in found.sql
        assert {value.value for value in found.top_values} == {"x", "y"}
        storage.refresh_property_columns("e")
        again = storage.property_stats("e", "p")
        assert "column_of_p" in again.sql
        assert replace(again, sql="") == replace(found, sql="")


@pytest.mark.parametrize("kind", ["VARCHAR", "JSON"])
def test_a_sandbox_lets_columns_be_read(path: Path, kind: PropertyType) -> None:
    with StorageEngine(path) as storage:
        load(storage, "e", ['{"p": "x"}', '{"p": 1}', "{}"], PropertyColumn("p", kind, name="c"))
        expected = answers(storage, "e")
    with StorageEngine(path, read_only=True, sandbox=True) as storage:
        assert answers(storage, "e") == expected


def test_texts_are_read_without_their_documents() -> None:
    with empty_storage() as storage:
        load(storage, "e", ['{"p": "x"}', '{"p": "y"}'], "p")
        # Only SQL can take the document away without a mark.
        storage.execute_rows("UPDATE e SET properties = '{}' ")
        assert storage.property_stats("e", "p").types == {"string": 2}
