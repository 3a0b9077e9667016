"""Numbers that are too large to sum or to square, and those that are not finite, are looked at."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from mixpanel_data import PropertyColumn, StorageEngine
from tests.records import PROFILES

LARGEST = sys.float_info.max


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as engine:
        yield engine


def users(storage: StorageEngine, *numbers: float) -> None:
    profiles = [{"distinct_id": f"{n}", "properties": {"n": n}} for n in numbers]
    columns = [PropertyColumn("n", "DOUBLE")]
    storage.create_profiles_table("users", profiles, PROFILES, property_columns=columns)


def numbers(storage: StorageEngine, kind: str, *values: str) -> None:
    rows = ", ".join(f"(CAST('{value}' AS {kind}))" for value in values)
    storage.execute_rows(f"CREATE TABLE t AS SELECT * FROM (VALUES {rows}) rows(n)")


def test_a_deviation_that_is_too_large_is_none_and_the_rest_is_there(
    storage: StorageEngine,
) -> None:
    users(storage, 1.0, 1e300)
    found = storage.numeric_summary("users", None, "n", [0, 100])
    assert (found.min, found.max, found.sum, found.avg) == (1.0, 1e300, 1e300, 5e299)
    assert (found.stddev, found.percentiles) == (None, {0: 1.0, 100: 1e300})
    stats = storage.column_stats("users", "n")
    assert (stats.min, stats.max, stats.avg, stats.stddev) == (1.0, 1e300, 5e299, None)
    summary = storage.summarize("users").columns[-1]
    assert (summary.column_name, summary.column_type) == ("n", "DOUBLE")
    assert (summary.min, summary.max, summary.avg) == ("1.0", "1e+300", 5e299)
    assert (summary.std, summary.q25, summary.q75) == (None, "1.0", "1e+300")


def test_a_sum_and_an_average_that_are_too_large_are_none(storage: StorageEngine) -> None:
    users(storage, 1e308, 1.1e308)
    found = storage.numeric_summary("users", None, "n", [0])
    assert (found.count, found.sum, found.avg, found.stddev) == (2, None, None, None)
    assert found.percentiles == {0: 1e308}
    assert storage.column_stats("users", "n").avg is None
    assert storage.summarize("users").columns[-1].avg is None


def test_numbers_of_both_signs_have_no_average_that_is_not_theirs(storage: StorageEngine) -> None:
    users(storage, -LARGEST, LARGEST)
    found = storage.numeric_summary("users", None, "n", [50])
    assert (found.sum, found.avg, found.stddev, found.percentiles) == (0.0, 0.0, None, {50: 0.0})


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
@pytest.mark.parametrize("odd", ["inf", "-inf", "nan"])
def test_columns_may_have_what_is_not_finite(storage: StorageEngine, kind: str, odd: str) -> None:
    numbers(storage, kind, "1", odd)
    stats = storage.column_stats("t", "n")
    assert (stats.avg, stats.stddev, stats.unique_count) == (None, None, 2)
    # To DuckDB, NaN is greater than infinity.
    assert str(stats.min if odd == "-inf" else stats.max) == odd
    (summary,) = storage.summarize("t").columns
    assert (summary.avg, summary.std, summary.count) == (None, None, 2)
    assert odd in (summary.min, summary.max)
    assert json.loads(json.dumps(stats.to_dict()))["stddev"] is None


@pytest.mark.parametrize(
    ("kind", "largest"),
    [
        ("HUGEINT", 2**127 - 1),
        ("UHUGEINT", 2**128 - 1),
        ("DECIMAL(38,2)", Decimal(f"{'9' * 36}.99")),
        ("DECIMAL(18,0)", Decimal("9" * 18)),
    ],
)
def test_integers_and_decimals_whose_sum_is_too_large_have_an_average(
    storage: StorageEngine, kind: str, largest: Any
) -> None:
    numbers(storage, kind, str(largest), str(largest))
    stats = storage.column_stats("t", "n")
    assert (stats.min, stats.max, stats.stddev) == (largest, largest, 0.0)
    assert stats.avg == pytest.approx(float(largest))
    (summary,) = storage.summarize("t").columns
    assert summary.max == str(largest)
    assert summary.avg == pytest.approx(float(largest))


def test_a_deviation_is_that_of_the_numbers_where_it_can_be_one(storage: StorageEngine) -> None:
    users(storage, 1e140, 3e140)
    found = storage.numeric_summary("users", None, "n", [])
    assert found.stddev == pytest.approx(math.sqrt(2) * 1e140)
    assert storage.summarize("users").columns[-1].std == found.stddev


def test_the_summary_of_every_type_is_that_of_duckdb(storage: StorageEngine) -> None:
    # One of the versions has no SUMMARIZE of these; the dialect does not know the last two.
    without = ["date", "timestamp_s", "timestamp_ms", "time_ns", "double", "empty_struct", "tuple"]
    types = storage.execute_rows("FROM (DESCRIBE FROM test_all_types())")
    names = ", ".join(f'"{name}"' for name, *_ in types if name not in without)
    storage.execute_rows(f"CREATE TABLE every AS SELECT {names} FROM test_all_types()")
    theirs = {name: rest for name, *rest in storage.execute_rows("SUMMARIZE every")}
    found = storage.summarize("every")
    assert found.sql != 'SUMMARIZE "every"'
    assert [each.column_name for each in found.columns] == list(theirs)
    for each in found.columns:
        kind, low, high, unique, _, _, q25, q50, q75, count, nulls = theirs[each.column_name]
        assert (each.column_type, each.min, each.max) == (kind, low, high)
        assert (each.approx_unique, each.count) == (unique, count)
        assert (each.q25, each.q50, each.q75) == (q25, q50, q75)
        assert each.null_percentage == float(nulls)


def test_times_of_nanoseconds_are_summarized(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE t AS SELECT TIME_NS '12:00:00' AS n")
    assert storage.summarize("t").columns[0].min == "12:00:00"
