"""Arrow data: every library's tables and frames, every layout of a column, bad rows by index."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixpanel_data import RecordError, StorageEngine
from tests.records import (
    EVENTS,
    PROFILES,
    Record,
    make_event,
    make_events,
    make_profiles,
    parsed_rows,
)

COUNT = 3000


def as_text(records: Iterator[Record]) -> list[Record]:
    return [{**record, "properties": json.dumps(record["properties"])} for record in records]


def table_of(count: int = COUNT, start: int = 0) -> pa.Table:
    return pa.Table.from_pylist(as_text(make_events(count, start)))


def relation_of(table: pa.Table) -> duckdb.DuckDBPyRelation:
    connection = duckdb.connect(":memory:")
    connection.register("given", table)
    return connection.sql("SELECT * REPLACE (properties::JSON AS properties) FROM given")


FORMS: dict[str, Callable[[], Any]] = {
    "pyarrow table": table_of,
    "pyarrow reader": lambda: table_of().to_reader(),
    "pyarrow batch": lambda: table_of().combine_chunks().to_batches()[0],
    "structs": lambda: pa.Table.from_pylist(list(make_events(COUNT))),
    "pandas with text": lambda: pd.DataFrame(as_text(make_events(COUNT))),
    "pandas with dicts": lambda: pd.DataFrame(make_events(COUNT)),
    "pandas with an index": lambda: pd.DataFrame(as_text(make_events(COUNT))).set_index(
        pd.Index(range(7, COUNT + 7))
    ),
    "polars": lambda: pl.DataFrame(as_text(make_events(COUNT))),
    "polars with structs": lambda: pl.DataFrame(list(make_events(COUNT))),
    "DuckDB relation": lambda: relation_of(table_of()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_rows_that_records_give(storage: StorageEngine, form: str) -> None:
    calls: list[int] = []
    storage.create_events_table("records", make_events(COUNT), EVENTS)
    added = storage.create_events_table("t", FORMS[form](), EVENTS, calls.append, batch_size=1000)
    assert added == COUNT
    assert parsed_rows(storage, "t") == parsed_rows(storage, "records")
    assert calls == [1000, 2000, 3000]


def test_profiles_are_taken_with_and_without_the_optional_column(storage: StorageEngine) -> None:
    table = pa.Table.from_pylist(as_text(make_profiles(20)))
    storage.create_profiles_table("users", table, PROFILES)
    storage.create_profiles_table("short", table.drop_columns(["last_seen"]), PROFILES)
    counts = "SELECT count(*), count(last_seen) FROM "
    assert storage.execute_rows(counts + "users") == [(20, 20)]
    assert storage.execute_rows(counts + "short") == [(20, 0)]


def test_columns_are_matched_by_name_in_any_order(storage: StorageEngine) -> None:
    table = table_of()
    storage.create_events_table("t", table.select(sorted(table.column_names)), EVENTS)
    storage.create_events_table("records", make_events(COUNT), EVENTS)
    assert parsed_rows(storage, "t") == parsed_rows(storage, "records")


def test_an_append_adds_what_is_new(storage: StorageEngine) -> None:
    storage.create_events_table("t", table_of(), EVENTS)
    assert storage.append_events_table("t", table_of(COUNT, start=1000), EVENTS) == 1000
    assert storage.append_events_table("t", make_events(4000), EVENTS) == 0


def test_a_reader_is_consumed_exactly_once(storage: StorageEngine) -> None:
    batches = table_of().to_batches(max_chunksize=100)
    given: list[int] = []

    def batches_one_by_one() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            given.append(number)
            yield batch

    reader = pa.RecordBatchReader.from_batches(table_of().schema, batches_one_by_one())
    assert storage.create_events_table("t", reader, EVENTS) == COUNT
    assert given == list(range(30))


def test_an_empty_table_makes_an_empty_table(storage: StorageEngine) -> None:
    assert storage.create_events_table("t", table_of().slice(0, 0), EVENTS) == 0
    assert storage.table_exists("t")


def with_column(name: str, column: Any) -> pa.Table:
    table = table_of(3)
    return table.set_column(table.column_names.index(name), name, pa.array(column))


ZONE = timezone(timedelta(hours=2))
NOON = datetime(2025, 1, 1, 12)
TIMES: dict[str, Any] = {
    "naive": pa.array([NOON] * 3, pa.timestamp("us")),
    "seconds": pa.array([NOON] * 3, pa.timestamp("s")),
    "milliseconds in a zone": pa.array(
        [NOON.replace(tzinfo=timezone.utc)] * 3, pa.timestamp("ms", tz="Europe/Zurich")
    ),
    "nanoseconds": pa.array([1735732800_000000999] * 3, pa.int64()).cast(pa.timestamp("ns")),
    "text": [NOON.replace(hour=14, tzinfo=ZONE).isoformat()] * 3,
    "epoch seconds": [1735732800] * 3,
    "fractions": [1735732800.0] * 3,
    "dictionary": pa.array(["2025-01-01T12:00:00Z"] * 3).dictionary_encode(),
}


@pytest.mark.parametrize("layout", TIMES)
def test_times_come_in_any_unit_and_zone(storage: StorageEngine, layout: str) -> None:
    storage.create_events_table("t", with_column("event_time", TIMES[layout]), EVENTS)
    assert storage.execute_rows("SELECT DISTINCT event_time FROM t") == [(NOON,)]


def test_nanoseconds_before_1970_are_cut_off_as_those_after(storage: StorageEngine) -> None:
    before = pa.array([-1, -1, -1], pa.int64()).cast(pa.timestamp("ns"))
    storage.create_events_table("t", with_column("event_time", before), EVENTS)
    assert storage.execute_scalar("SELECT min(event_time) FROM t") == datetime(
        1969, 12, 31, 23, 59, 59, 999999
    )


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b", "c"], pa.large_string()),
        pa.array(["a", "b", "c"]).dictionary_encode(),
        pa.array(["a", "b", "c"], pa.string_view()),
    ],
    ids=lambda column: str(column.type)[:12],
)
def test_text_comes_in_any_layout(storage: StorageEngine, column: pa.Array) -> None:
    storage.create_events_table("t", with_column("distinct_id", column), EVENTS)
    assert storage.execute_rows("SELECT distinct_id FROM t") == [("a",), ("b",), ("c",)]


def test_integers_as_ids_become_text(storage: StorageEngine) -> None:
    storage.create_events_table("t", with_column("distinct_id", [1, 2, 2**62]), EVENTS)
    assert storage.execute_rows("SELECT distinct_id FROM t") == [("1",), ("2",), (str(2**62),)]


def test_maps_become_objects(storage: StorageEngine) -> None:
    maps = pa.array([[("$browser", 1)], [], [("a", None)]], pa.map_(pa.string(), pa.int64()))
    storage.create_events_table("t", with_column("properties", maps), EVENTS)
    assert [row[4] for row in parsed_rows(storage, "t")] == [{"$browser": 1}, {}, {"a": None}]


@pytest.mark.parametrize(
    "text",
    [
        '{"big": 1180591620717411303424, "nested": {"a": [1, null]}}',
        ' \\n{"space": "around"} ',
        '{"text": ":nan and, inf", "info": "a:Infinity"}',
        '{"beyond a float": 1e999}',
    ],
)
def test_json_text_keeps_its_value(storage: StorageEngine, text: str) -> None:
    text = text.replace("\\n", "\n")
    storage.create_events_table("t", with_column("properties", [text] * 3), EVENTS)
    (stored,) = {row for (row,) in storage.execute_rows("SELECT properties FROM t")}
    assert json.loads(stored, parse_float=Decimal) == json.loads(text, parse_float=Decimal)


BAD: dict[str, tuple[str, Any]] = {
    "NULL name": ("event_name", ["a", None, "c"]),
    "NULL time": ("event_time", pa.array([0, None, 0], pa.timestamp("us"))),
    "NULL properties": ("properties", ["{}", None, "{}"]),
    "no time": ("event_time", ["2025-01-01", "soon", "2025-01-01"]),
    "time out of range": ("event_time", pa.array([0, 2**40, 0], pa.timestamp("s"))),
    "malformed JSON": ("properties", ["{}", '{"a":', "{}"]),
    "a JSON list": ("properties", ["{}", "[1]", "{}"]),
    "empty text": ("properties", ["{}", "", "{}"]),
    "NaN": ("properties", ["{}", '{"a": NaN}', "{}"]),
    "nan": ("properties", ["{}", '{"a": [nan]}', "{}"]),
    "-Infinity": ("properties", ["{}", '{"a": -Infinity}', "{}"]),
    "NaN in a struct": ("properties", [{"a": 1.0}, {"a": float("nan")}, {"a": 2.0}]),
    "lone surrogate": ("properties", ["{}", '{"a": "\\ud800"}', "{}"]),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named_by_its_index(storage: StorageEngine, case: str) -> None:
    field, column = BAD[case]
    good = table_of(100, start=50)
    bad = with_column(field, column)
    data = bad if isinstance(column[0], dict) or bad.schema != good.schema else None
    offset = 0
    if data is None:
        data, offset = pa.concat_tables([good, bad]), 100
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", data, EVENTS, batch_size=10)
    assert (caught.value.index, caught.value.field) == (offset + 1, field)
    assert not storage.table_exists("t")


def test_bytes_that_are_no_utf8_are_named(storage: StorageEngine) -> None:
    raw = pa.array([b"a", b"\xff", b"c"], pa.binary()).cast(pa.string(), safe=False)
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", with_column("event_name", raw), EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_name")


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("event_name", [1.5, 2.5, 3.5]),
        ("insert_id", [b"1", b"2", b"3"]),
        ("event_time", [True, False, True]),
        ("properties", [1, 2, 3]),
        ("properties", [b"{}"] * 3),
    ],
)
def test_a_column_of_the_wrong_type_is_named(
    storage: StorageEngine, field: str, column: list[Any]
) -> None:
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", with_column(field, column), EVENTS)
    assert (caught.value.index, caught.value.field) == (0, field)


def test_of_two_bad_rows_the_first_is_named(storage: StorageEngine) -> None:
    table = with_column("event_name", ["a", "b", None])
    times = pa.array(["2025-01-01", "soon", "2025-01-01"])
    table = table.set_column(table.column_names.index("event_time"), "event_time", times)
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", table, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "event_time")


@pytest.mark.parametrize("primary_key", [True, False])
def test_missing_and_unknown_columns_are_named(storage: StorageEngine, primary_key: bool) -> None:
    table = table_of(3)
    for data, field in (
        (table.drop_columns(["distinct_id"]), "distinct_id"),
        (table.append_column("colour", pa.array(["red"] * 3)), "colour"),
    ):
        with pytest.raises(RecordError) as caught:
            storage.create_events_table("t", data, EVENTS, primary_key=primary_key)
        assert caught.value.field == field
        assert not storage.table_exists("t")


def test_a_dict_in_a_data_frame_that_is_no_json_is_named(storage: StorageEngine) -> None:
    frame = pd.DataFrame([make_event(0), make_event(1, properties={"a": {1, 2}}), make_event(2)])
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", frame, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "properties")


def test_dicts_of_a_data_frame_keep_their_own_keys(storage: StorageEngine) -> None:
    frame = pd.DataFrame([make_event(n, properties={"ab"[n]: 2 ** (70 * n)}) for n in (0, 1)])
    storage.create_events_table("t", frame, EVENTS)
    assert [row[4] for row in parsed_rows(storage, "t")] == [{"a": 1}, {"b": 2**70}]


CATEGORIES = ["user-1", "user-2"]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(CATEGORIES)])
def test_categories_of_polars_are_their_text(storage: StorageEngine, kind: Any) -> None:
    frame = pl.DataFrame(
        {"distinct_id": CATEGORIES, "properties": ['{"a":1}', "{}"]},
        schema_overrides={"distinct_id": kind},
    ).with_columns(pl.col("properties").cast(pl.Categorical))
    storage.create_profiles_table("t", frame, PROFILES)
    found = storage.execute_rows("SELECT distinct_id, properties FROM t")
    assert found == [("user-1", '{"a":1}'), ("user-2", "{}")]


@pytest.mark.parametrize("column", ["distinct_id", "properties"])
def test_a_type_that_pyarrow_does_not_have_is_named_with_its_column(
    storage: StorageEngine, column: str
) -> None:
    whole = {"distinct_id": ["a"], "properties": ["{}"]}
    number = pl.Series([1], dtype=pl.Int128)
    other = pl.DataFrame({"n": number}).to_struct() if column == "properties" else number
    with pytest.raises(RecordError, match="Cast the column") as caught:
        storage.create_profiles_table("t", pl.DataFrame({**whole, column: other}), PROFILES)
    assert caught.value.field == column
    assert storage.list_tables() == []


def test_a_time_zone_that_is_not_known_is_told(storage: StorageEngine) -> None:
    times = pa.array([0], pa.timestamp("us", "Mars/Olympus"))
    properties = pa.StructArray.from_arrays([times], ["t"])
    table = pa.table({"distinct_id": ["a"], "properties": properties})
    with pytest.raises(RecordError) as caught:
        storage.create_profiles_table("t", table, PROFILES)
    assert (caught.value.index, caught.value.field) == (0, "properties")


def mixed_frame(**columns: list[Any]) -> pd.DataFrame:
    events = {
        "event_name": ["A", "B"],
        "event_time": [0, 1],
        "distinct_id": ["a", "b"],
        "insert_id": ["i", "j"],
        "properties": ['{"a":1}', "{}"],
    }
    return pd.DataFrame({**events, **columns})


@pytest.mark.parametrize(
    "columns",
    [
        {"distinct_id": [1, "x"]},
        {"insert_id": ["x", 2]},
        {"event_time": [0, "1970-01-01T00:00:01"]},
        {"properties": [{"a": 1}, "{}"]},
        {"properties": [{"a": 1}, "{}"], "distinct_id": [1, "x"]},
    ],
)
def test_a_pandas_column_may_mix_types(
    storage: StorageEngine, columns: dict[str, list[Any]]
) -> None:
    frame = mixed_frame(**columns)
    assert storage.create_events_table("t", frame, EVENTS) == 2
    rows = storage.execute_rows("SELECT epoch(event_time), distinct_id, insert_id FROM t")
    assert rows == [
        (number, str(frame["distinct_id"][number]), str(frame["insert_id"][number]))
        for number in (0, 1)
    ]
    assert storage.execute_rows("SELECT properties FROM t") == [('{"a":1}',), ("{}",)]


@pytest.mark.parametrize("text", ['{"a":', "[1]", "no", '{"a": NaN}'])
@pytest.mark.parametrize("distinct_id", [["a", "b"], [1, "b"]])
def test_text_among_dicts_has_to_be_a_json_object(
    storage: StorageEngine, text: str, distinct_id: list[Any]
) -> None:
    frame = mixed_frame(properties=[{}, text], distinct_id=distinct_id)
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", frame, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "properties")
    assert storage.create_events_table("t", frame, EVENTS, on_error="skip") == 1


#: With its members in order, since pyarrow 18 sorts them.
DOCUMENT = {
    "aware": datetime(2025, 1, 1, 12, 30, 0, 5, timezone.utc),
    "clock": datetime(2025, 1, 1, 12, 0, 0, 500_000).time(),
    "day": datetime(2025, 1, 1).date(),
    "decimal": Decimal("12345678901234567890.12"),
    "inner": {"none": None, "time": datetime(2025, 1, 1)},
    "large": 1e16,
    "naive": datetime(2025, 1, 1),
    "times": [datetime(2025, 1, 1)],
}


@pytest.mark.parametrize("form", [pd.DataFrame, pl.DataFrame, pa.Table.from_pylist])
def test_a_document_is_written_as_that_of_a_record(storage: StorageEngine, form: Any) -> None:
    events = [make_event(properties=DOCUMENT)]
    storage.create_events_table("records", events, EVENTS)
    storage.create_events_table("t", form(events), EVENTS)
    assert storage.execute_rows("FROM t") == storage.execute_rows("FROM records")


def test_of_keys_that_a_map_has_twice_the_last_one_counts(storage: StorageEngine) -> None:
    kind = pa.map_(pa.string(), pa.list_(pa.int64()))
    properties = pa.array([[("a", [1]), ("b", None), ("a", [2])]], kind)
    table = pa.table({"distinct_id": ["a"], "properties": properties})
    storage.create_profiles_table("t", table, PROFILES)
    assert storage.execute_scalar("SELECT properties FROM t") == '{"a":[2],"b":null}'
