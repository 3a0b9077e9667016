"""Relations of DuckDB: what Arrow has no type for is loaded as it is, not as Arrow has it."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import RecordError, StorageEngine
from tests.examples import examples
from tests.records import EVENTS, PROFILES

LARGEST = 2**128 - 1
CELLS = {
    "event_name": "'e'",
    "event_time": "0",
    "distinct_id": "'u'",
    "insert_id": "'i'",
    "properties": "'{}'",
}


def events(connection: duckdb.DuckDBPyConnection, **cells: str) -> duckdb.DuckDBPyRelation:
    members = {**CELLS, **cells}.items()
    return connection.sql("SELECT " + ", ".join(f"{cell} AS {name}" for name, cell in members))


@pytest.mark.parametrize("column", ["distinct_id", "insert_id"])
@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("UHUGEINT", LARGEST),
        ("UHUGEINT", 0),
        ("HUGEINT", 2**127 - 1),
        ("HUGEINT", -(2**127) + 1),
        ("BIGNUM", 10**60),
        ("BIGNUM", -(10**60)),
    ],
)
def test_an_id_that_is_a_wide_integer_is_its_digits(
    storage: StorageEngine, column: str, kind: str, number: int
) -> None:
    data = events(duckdb.connect(), **{column: f"'{number}'::{kind}"})
    storage.create_events_table("t", data, EVENTS)
    assert storage.execute_scalar(f"SELECT {column} FROM t") == str(number)


def test_hashes_that_duckdb_makes_are_ids(storage: StorageEngine) -> None:
    data = events(duckdb.connect(), insert_id="md5_number('b')")
    storage.create_events_table("t", data, EVENTS)
    expected = duckdb.connect().sql("SELECT md5_number('b')::VARCHAR").fetchall()
    assert storage.execute_rows("SELECT insert_id FROM t") == expected


@examples(8)
@given(st.lists(st.one_of(st.none(), st.integers(0, LARGEST)), min_size=1, max_size=5))
def test_wide_integers_anywhere_in_a_document_keep_all_digits(numbers: list[int | None]) -> None:
    cells = ["NULL" if number is None else f"'{number}'" for number in numbers]
    wide = f"[{', '.join(cells)}]::UHUGEINT[]"
    document = f"""{{
        'size': {wide}, 'quo"ted': {{'none': NULL::STRUCT(a UHUGEINT), 'first': ({wide})[1]}},
        'map': MAP {{'k': {wide}}}, 'fixed': {wide}::UHUGEINT[{len(numbers)}],
        'signed': -7::HUGEINT, 'small': 1, 'text': '12', 'time': TIMESTAMP '2025-01-01 10:00:00'
    }}"""
    with StorageEngine.memory() as storage:
        storage.create_events_table("t", events(duckdb.connect(), properties=document), EVENTS)
        (text,) = storage.execute_rows("SELECT properties FROM t")[0]
    assert json.loads(text) == {
        "size": numbers,
        'quo"ted': {"none": None, "first": numbers[0]},
        "map": {"k": numbers},
        "fixed": numbers,
        "signed": -7,
        "small": 1,
        "text": "12",
        "time": "2025-01-01T10:00:00",
    }


def test_profiles_have_wide_ids_too(storage: StorageEngine) -> None:
    data = duckdb.connect().sql(
        f"SELECT {LARGEST}::UHUGEINT AS distinct_id, {{'a': 1}} AS properties"
    )
    storage.create_profiles_table("t", data, PROFILES)
    assert storage.execute_rows("SELECT distinct_id FROM t") == [(str(LARGEST),)]


@pytest.mark.parametrize(
    ("cell", "second"), [("5::UHUGEINT", 5), ("-5::HUGEINT", -5), ("5::HUGEINT", 5)]
)
def test_times_may_be_wide_integers(storage: StorageEngine, cell: str, second: int) -> None:
    storage.create_events_table("t", events(duckdb.connect(), event_time=cell), EVENTS)
    assert storage.execute_scalar("SELECT epoch(event_time) FROM t") == second


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("event_time", f"{LARGEST}::UHUGEINT"),
        ("event_name", "5::UHUGEINT"),
        ("properties", "{'a': INTERVAL 1 DAY}"),
        ("event_time", "'1'::BIGNUM"),
    ],
)
def test_what_a_column_does_not_take_is_refused_by_name(
    storage: StorageEngine, column: str, cell: str
) -> None:
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", events(duckdb.connect(), **{column: cell}), EVENTS)
    assert caught.value.field == column


def test_a_time_of_day_keeps_its_offset(storage: StorageEngine) -> None:
    data = events(duckdb.connect(), properties="{'at': TIMETZ '10:00:00+02'}")
    storage.create_events_table("t", data, EVENTS)
    assert storage.execute_scalar("SELECT properties->>'at' FROM t") == "10:00:00+02"


def test_the_connection_of_a_relation_is_free_after_a_load_that_failed(
    storage: StorageEngine,
) -> None:
    connection = duckdb.connect()
    with pytest.raises(RecordError):
        storage.create_events_table("t", events(connection, event_name="NULL"), EVENTS)
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
