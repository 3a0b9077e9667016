"""Events without an id get one: all equal ones are kept, and loading them again adds nothing."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import RecordError, StorageEngine, read_events_export
from mixpanel_data.common.json_documents import document
from mixpanel_data.common.times import moment
from mixpanel_data.ingest.identities import Identities
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS, Record


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        yield storage


CASES = Path(__file__).parent / "cases"


def texts(records: list[Record]) -> list[Record]:
    return [{**record, "properties": json.dumps(record["properties"])} for record in records]


WAYS: dict[str, Callable[[list[Record]], Any]] = {
    "records": list,
    "pandas": lambda records: pd.DataFrame(records),
    "Arrow": lambda records: pa.Table.from_pylist(texts(records)),
    "Arrow structs": lambda records: pa.Table.from_pylist(records),
}


def without_ids(records: list[Record], missing: Any) -> list[Record]:
    if missing == "left out":
        return [{k: v for k, v in record.items() if k != "insert_id"} for record in records]
    return [{**record, "insert_id": missing} for record in records]


@pytest.mark.parametrize("missing", ["left out", None, ""])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["empty-and-null-ids.jsonl", "equal-events-without-id.jsonl"])
def test_an_event_gets_the_same_id_by_every_way_in(
    storage: StorageEngine, way: str, missing: Any, name: str
) -> None:
    result = storage.load_events_export("t", CASES / name, EVENTS)
    assert (result, result.generated_ids) == (4, 4)
    records = [
        {**r, "properties": {**r["properties"], "n": 1}} for r in read_events_export(CASES / name)
    ]
    lines = [
        json.dumps(
            {
                "event": r["event_name"],
                "properties": {
                    "time": r["event_time"].timestamp(),
                    "distinct_id": r["distinct_id"],
                    **r["properties"],
                },
            }
        )
        for r in records
    ]
    storage.load_events_export("u", lines, EVENTS)
    data = WAYS[way](without_ids(records, missing))
    result = storage.append_events_table("u", data, EVENTS)
    assert (result, result.generated_ids, result.duplicates) == (0, 4, 4)


DECIMAL_WAYS: dict[str, Callable[[pa.Table], Any]] = {
    "Arrow": lambda table: table,
    "polars": pl.from_arrow,
    "a relation": lambda table: duckdb.connect(":memory:").from_arrow(table),
    "dicts": lambda table: table.to_pylist(),
    "pandas of dicts": lambda table: pd.DataFrame(table.to_pylist()),
}


@pytest.mark.parametrize("way", DECIMAL_WAYS)
@pytest.mark.parametrize(
    "number", ["19.90", "0.30", "100.00", "12345678901234567890.12", "1E-10", "-7", "0.000"]
)
def test_a_decimal_has_the_digits_and_the_id_that_it_has_in_a_record(
    storage: StorageEngine, way: str, number: str
) -> None:
    properties = {"inner": {"list": [Decimal(number)]}, "x": Decimal(number)}
    events = [{"event_name": "Tap", "event_time": 0, "distinct_id": "u", "properties": properties}]
    storage.create_events_table("t", events, EVENTS)
    given = DECIMAL_WAYS[way](pa.Table.from_pylist(events))
    assert storage.append_events_table("t", given, EVENTS).added == 0
    storage.create_events_table("other", given, EVENTS)
    assert storage.execute_rows("FROM other") == storage.execute_rows("FROM t")


@pytest.mark.parametrize("number", ["19.90", "12345678901234567890.12", "1E+400"])
def test_a_decimal_has_the_id_of_the_number_that_a_line_has(
    storage: StorageEngine, tmp_path: Path, number: str
) -> None:
    line = '{"event":"Tap","properties":{"time":0,"distinct_id":"u","x":%s}}'
    (tmp_path / "lines.jsonl").write_text(line % number)
    storage.load_events_export("t", tmp_path / "lines.jsonl", EVENTS)
    properties = {"time": 0, "distinct_id": "u", "x": Decimal(number)}
    objects = [{"event": "Tap", "properties": properties}]
    assert storage.load_events_export("t", objects, EVENTS, if_exists="append").duplicates == 1


def test_ids_are_those_that_earlier_versions_made(storage: StorageEngine) -> None:
    properties = {"time": 1735689600, "distinct_id": "7", "b": 1, "a": 2}
    line = json.dumps({"event": "Sign Up", "properties": properties})
    storage.load_events_export("t", [line, line], EVENTS)
    ids = storage.execute_rows("SELECT insert_id FROM t ORDER BY rowid")
    assert ids[0] == ("b508f557c571caeb71326812b1259e36",)
    assert ids[1] == ("a668b592285a600f30f7bcebc6f658e4",)


def test_a_file_that_overlaps_another_adds_what_is_new(
    storage: StorageEngine, tmp_path: Path
) -> None:
    def event(number: int) -> str:
        return json.dumps({"event": "Tap", "properties": {"time": 1, "n": number}})

    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "a.jsonl").write_text("\n".join([event(1), event(1), event(2)]))
    (folder / "b.jsonl").write_text("\n".join([event(1), event(2), event(2), event(3)]))
    result = storage.load_events_export("t", folder, EVENTS)
    assert (result.read, result.added, result.duplicates) == (7, 5, 2)


counts = st.dictionaries(st.integers(0, 3), st.integers(1, 3), max_size=4)


@examples(50)
@given(loads=st.lists(counts, min_size=1, max_size=3), way=st.sampled_from([*WAYS]))
def test_a_table_has_the_most_equal_events_that_one_source_had(
    loads: list[dict[int, int]], way: str
) -> None:
    most: dict[int, int] = {}
    with empty_storage() as storage:
        storage.create_events_table("t", [], EVENTS)
        for load in loads:
            records = [
                {
                    "event_name": "Tap",
                    "event_time": 1,
                    "distinct_id": "u",
                    "insert_id": None,
                    "properties": {"n": number},
                }
                for number, count in load.items()
                for _ in range(count)
            ]
            if records:
                storage.append_events_table("t", WAYS[way](records), EVENTS)
            most = {n: max(most.get(n, 0), load.get(n, 0)) for n in {*most, *load}}
        rows = storage.execute_rows("SELECT (properties->>'n')::INT, count(*) FROM t GROUP BY 1")
    assert dict(rows) == most


@pytest.mark.parametrize("document", ["no", "[]", '{"a": NaN}', '{"a":'])
def test_an_id_is_not_made_of_what_is_no_document(storage: StorageEngine, document: str) -> None:
    record = {"event_name": "Tap", "event_time": "2025-01-01", "distinct_id": "u"}
    table = pa.Table.from_pylist(
        [{**record, "properties": "{}"}, {**record, "properties": document}]
    )
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", table, EVENTS)
    assert (caught.value.index, caught.value.field) == (1, "properties")
    assert storage.create_events_table("t", table, EVENTS, on_error="skip") == 1


@pytest.mark.parametrize("number", ["1e400", "123456789012345678901234567890", "-0.0", "1.10"])
def test_an_id_is_the_same_whoever_reads_an_odd_number(
    storage: StorageEngine, tmp_path: Path, number: str
) -> None:
    line = '{"event":"Tap","properties":{"time":1,"x":' + number + "}}"
    path = tmp_path / "export.jsonl"
    path.write_text(line)
    storage.load_events_export("t", path, EVENTS)
    assert storage.load_events_export("t", [line], EVENTS, if_exists="append") == 0


@pytest.mark.parametrize("packed", [False, True])
def test_each_member_of_an_archive_is_a_source_as_a_file_of_a_folder_is(
    storage: StorageEngine, tmp_path: Path, packed: bool
) -> None:
    line = '{"event":"Tap","properties":{"time":0,"distinct_id":"u"}}\n'
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for name, count in (("1.jsonl", 2), ("2.jsonl", 3)):
            data = (line * count).encode()
            (tmp_path / "folder" / name).write_bytes(gzip.compress(data) if packed else data)
            archive.write(tmp_path / "folder" / name, name)
    assert storage.load_events_export("zip", tmp_path / "data.zip", EVENTS).added == 3
    assert storage.load_events_export("t", tmp_path / "folder", EVENTS).added == 3
    assert storage.execute_rows("FROM t ORDER BY ALL") == storage.execute_rows(
        "FROM zip ORDER BY ALL"
    )
    with (tmp_path / "data.zip").open("rb") as file:
        for given in (tmp_path / "data.zip", file):
            again = storage.load_events_export("t", given, EVENTS, if_exists="append")
            assert (again.added, again.duplicates) == (0, 5)
    read = [event["insert_id"] for event in read_events_export(tmp_path / "data.zip")]
    assert len(set(read)) == 3


def test_the_same_file_twice_adds_nothing(storage: StorageEngine, tmp_path: Path) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"event":"Tap","properties":{"time":1}}\n' * 3)
    result = storage.load_events_export("t", [path, path], EVENTS)
    assert (result, result.duplicates) == (3, 3)


def test_what_is_left_out_takes_no_id_from_the_equal_ones_beside_it(storage: StorageEngine) -> None:
    record = {"event_name": "Tap", "event_time": "2025-01-01", "distinct_id": "u"}
    documents = ["{}", "{}", '{"a": 1,}', "{}"]  # DuckDB takes the third, JSON does not
    table = pa.Table.from_pylist([{**record, "properties": text} for text in documents])
    result = storage.create_events_table("t", table, EVENTS, on_error="skip")
    again = storage.append_events_table("t", [{**record, "properties": {}}] * 3, EVENTS)
    assert (result, again) == (3, 0)


numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([10**18, 10**19, 2**63, 2**64 - 1, 2**64, 10**400]),
)
documents = st.dictionaries(
    st.text(max_size=3),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.text(max_size=25), numbers),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=4,
)
times = st.one_of(
    st.integers(0, 2**32).map(lambda seconds: seconds * 1_000_000),
    st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
)


@given(
    rows=st.lists(
        st.tuples(st.text(max_size=5), st.text(max_size=5), times, documents),
        min_size=1,
        max_size=4,
    )
)
@examples(200)
def test_ids_of_a_batch_are_those_of_its_events(
    rows: list[tuple[str, str, int, Record]],
) -> None:
    users, names, counts, given_documents = zip(*rows, strict=True)
    properties = [document(each).decode() for each in given_documents]
    batch = pa.record_batch(
        {
            "distinct_id": pa.array(users),
            "event_name": pa.array(names),
            "event_time": pa.array(counts, pa.timestamp("us")),
            "insert_id": pa.nulls(len(rows), pa.string()),
            "properties": pa.array(properties),
        }
    )
    one_by_one = Identities()
    wanted = [
        one_by_one.next_id(
            {
                "event_name": name,
                "event_time": moment(count),
                "distinct_id": user,
                "properties": each,
            }
        )
        for user, name, count, each in zip(users, names, counts, properties, strict=True)
    ]
    assert Identities().completed(batch).column("insert_id").to_pylist() == wanted
