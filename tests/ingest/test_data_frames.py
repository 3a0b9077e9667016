"""Data frames of pandas: types of its own, an index with columns of ours, frames in parts."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from io import StringIO
from typing import Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mixpanel_data import RecordError, StorageEngine
from tests.records import EVENTS, PROFILES, make_events, parsed_rows

PERIODS = pd.period_range("2025-01-01", periods=3, freq="D")
INTERVALS = pd.interval_range(0, 3)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(list(make_events(3))).assign(**columns)


@pytest.mark.parametrize("column", ["event_time", "distinct_id", "insert_id", "event_name"])
@pytest.mark.parametrize("cells", [PERIODS, INTERVALS], ids=["periods", "intervals"])
def test_what_a_record_may_not_have_is_refused_as_in_a_record(
    storage: StorageEngine, column: str, cells: Any
) -> None:
    data = frame(**{column: cells})
    with pytest.raises(RecordError) as caught:
        storage.create_events_table("t", data, EVENTS)
    with pytest.raises(RecordError) as of_records:
        storage.create_events_table("t", cast("Any", data.to_dict("records")), EVENTS)
    assert str(caught.value) == str(of_records.value)
    assert type(cells[0]).__name__ in str(caught.value)


def test_rows_with_a_period_are_left_out_as_bad_rows(storage: StorageEngine) -> None:
    result = storage.create_events_table("t", frame(event_time=PERIODS), EVENTS, on_error="skip")
    assert (result, result.rejected) == (0, 3)


@pytest.mark.parametrize("name", ["event_time", "distinct_id"])
def test_a_sparse_column_is_its_numbers(storage: StorageEngine, name: str) -> None:
    cells = [1, 0, 2]
    sparse = frame(**{name: pd.arrays.SparseArray(cells)})  # type: ignore[attr-defined,unused-ignore]
    storage.create_events_table("sparse", sparse, EVENTS)
    storage.create_events_table("dense", frame(**{name: cells}), EVENTS)
    assert parsed_rows(storage, "sparse") == parsed_rows(storage, "dense")


@pytest.mark.parametrize("is_registered", [True, False])
def test_arrow_with_a_type_that_its_storage_does_not_stand_for_is_refused_by_name(
    storage: StorageEngine, is_registered: bool
) -> None:
    table = pa.Table.from_pandas(frame(event_time=PERIODS, properties="{}"))
    if not is_registered:  # as where the table was read without pandas
        place = table.schema.get_field_index("event_time")
        field = pa.field(
            "event_time", pa.int64(), metadata={"ARROW:extension:name": "pandas.period"}
        )
        table = table.set_column(place, field, [[1, 2, 3]])
    with pytest.raises(RecordError, match=r"'event_time': cannot be stored: it is pandas\.period"):
        storage.create_events_table("t", table, EVENTS)


def test_uuids_of_arrow_are_their_text_as_ids_and_in_documents(storage: StorageEngine) -> None:
    given = uuid.uuid4()
    cells = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([given.bytes], pa.binary(16)))
    columns = {
        "distinct_id": cells,
        "properties": pa.StructArray.from_arrays([cells], ["id"]),
    }
    storage.create_profiles_table("t", pa.table(columns), PROFILES)
    rows = storage.execute_rows("SELECT distinct_id, properties->>'id' FROM t")
    assert rows == [(str(given), str(given))]


def test_decimals_of_256_bits_keep_all_digits(storage: StorageEngine) -> None:
    cells = pa.array([{"n": 10**60 + 1}], pa.struct({"n": pa.decimal256(76, 0)}))
    data = pa.table({"distinct_id": ["a"], "properties": cells})
    storage.create_profiles_table("t", data, PROFILES)
    assert storage.execute_scalar("SELECT properties->>'n' FROM t") == str(10**60 + 1)


NUMBERS = {
    "exponents": [Decimal("1E+3"), Decimal("2"), Decimal("3")],
    "places": [Decimal("1.5"), Decimal("2.25"), Decimal("3.000")],
    "decimals and an integer": [Decimal("1.5"), 2, 3],
    "decimals and none": [Decimal("1E+3"), None, "c"],
    "integers and a float": [1, 2.5, 3],
    "integers and NaN": [1, float("nan"), 3],
    "numbers of numpy": [np.int8(1), np.float32(0.1), np.uint64(2**63)],
    "decimals that are NaN": [Decimal("1"), Decimal("NaN"), Decimal("3")],
    "text and a decimal that is NaN": ["a", Decimal("NaN"), "c"],
    "truths": [True, False, None],
    "truths and numbers": [True, 1, 1.0],
}


@pytest.mark.parametrize("cells", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("column", ["insert_id", "distinct_id"])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_ids_that_are_numbers_have_the_text_that_they_have_in_records(
    storage: StorageEngine, column: str, cells: list[Any], on_error: Any
) -> None:
    data = frame(**{column: pd.Series(cells, dtype=object)})
    outcomes: list[Any] = []
    for name, given in (("t", data), ("u", cast("Any", data.to_dict("records")))):
        try:
            storage.create_events_table(name, given, EVENTS, on_error=on_error)
            outcomes.append(parsed_rows(storage, name))
        except RecordError as error:
            outcomes.append([str(error)])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("kind", ["pyarrow", "polars"])
def test_decimals_of_a_typed_column_are_the_text_of_its_values(
    storage: StorageEngine, kind: str
) -> None:
    cells = [Decimal("1.5"), Decimal("1000"), Decimal("2.25")]
    rows = [{**row, "distinct_id": cell} for row, cell in zip(make_events(3), cells, strict=True)]
    data: Any = pa.Table.from_pylist([{**row, "properties": "{}"} for row in rows])
    values = data["distinct_id"].to_pylist()
    storage.create_events_table("t", pl.from_arrow(data) if kind == "polars" else data, EVENTS)
    found = storage.execute_rows("SELECT distinct_id FROM t ORDER BY event_time")
    assert [value for (value,) in found] == list(map(str, values)) == ["1.50", "1000.00", "2.25"]


def test_a_time_that_is_a_decimal_without_a_value_is_refused_as_in_a_record(
    storage: StorageEngine,
) -> None:
    rows: list[Any] = [{"distinct_id": "a", "properties": {}, "last_seen": Decimal("NaN")}]
    messages = set()
    for data in (rows, pd.DataFrame(rows)):
        with pytest.raises(RecordError) as caught:
            storage.create_profiles_table("t", cast("Any", data), PROFILES)
        messages.add(str(caught.value))
    assert len(messages) == 1


@pytest.mark.parametrize("index", ["insert_id", ["insert_id"], ["distinct_id", "insert_id"]])
def test_an_index_with_the_name_of_a_column_is_that_column(
    storage: StorageEngine, index: Any
) -> None:
    storage.create_events_table("t", frame().set_index(index), EVENTS)
    storage.create_events_table("records", make_events(3), EVENTS)
    assert parsed_rows(storage, "t") == parsed_rows(storage, "records")


def test_an_index_is_taken_where_a_column_keeps_a_frame_from_being_arrow(
    storage: StorageEngine,
) -> None:
    data = frame(distinct_id=[1, "b", 2.5]).set_index("insert_id")
    storage.create_events_table("t", data, EVENTS)
    ids = storage.execute_rows("SELECT insert_id FROM t")
    assert ids == [(event["insert_id"],) for event in make_events(3)]


def test_other_levels_of_an_index_are_left_out(storage: StorageEngine) -> None:
    data = frame(number=range(3)).set_index(["number", "insert_id"])
    assert storage.create_events_table("t", data, EVENTS).generated_ids == 0


PARTS: dict[str, Callable[[], Any]] = {
    "a list of frames": lambda: [frame(), frame()],
    "a generator of frames": lambda: (part for part in [frame()]),
    "chunks of CSV": lambda: pd.read_csv(StringIO("a,b\n1,2\n"), chunksize=1),
    "batches of Arrow": lambda: pa.Table.from_pandas(frame(properties="{}")).to_batches(),
    "slices of polars": lambda: pl.DataFrame({"a": [1, 2]}).iter_slices(1),
}


@pytest.mark.parametrize("form", PARTS)
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_frames_in_parts_are_refused_with_what_to_do(
    storage: StorageEngine, form: str, on_error: Any
) -> None:
    with pytest.raises(TypeError, match=r"one by one, or .*concat.*from_batches"):
        storage.create_events_table("t", PARTS[form](), EVENTS, on_error=on_error)
    assert storage.list_tables() == []


@pytest.mark.parametrize("method", ["itertuples", "iterrows"])
def test_the_rows_of_a_frame_are_refused_with_what_to_do(
    storage: StorageEngine, method: str
) -> None:
    with pytest.raises(TypeError, match="Pass the frame itself"):
        storage.create_events_table("t", getattr(frame(), method)(), EVENTS)


def test_a_frame_without_columns_is_refused_as_such(storage: StorageEngine) -> None:
    with pytest.raises(RecordError, match="which has none"):
        storage.create_events_table("t", pd.DataFrame([]), EVENTS)
