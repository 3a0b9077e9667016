"""Values in a sandbox are those of plain DuckDB, also where Arrow's types are narrower."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import QueryError, Sandbox, StorageEngine

#: DuckDB 1.5 does not read more than 2**31 hours, and says so.
BIG = 2**62
INTERVALS = st.builds(
    "to_months({}) + to_days({}) + to_microseconds({})".format,
    st.integers(-120_000, 120_000),
    st.integers(-3_000_000, 3_000_000),
    st.integers(-BIG, BIG),
)
OTHERS = st.sampled_from(
    [
        "TIMESTAMP 'infinity'",
        "TIMESTAMPTZ '-infinity'",
        "DATE 'infinity'",
        "DATE '5877642-06-25 (BC)'",
        "TIMESTAMP '290309-12-22 (BC) 00:00:00'",
        "TIME '24:00:00'",
        "'24:00:00+15:59'::TIMETZ",
        "'12:34:56.789+02:30:15'::TIMETZ",
        "170141183460469231731687303715884105727::HUGEINT",
        "(-170141183460469231731687303715884105728)::HUGEINT",
        "340282366920938463463374607431768211455::UHUGEINT",
        "'123456789012345678901234567890123456789012345678901234567890'::BIGNUM",
        "'10101010'::BIT",
        "'b'::ENUM('a', 'b', 'INTERVAL')",
        "'2025-01-01 00:00:00.123456789'::TIMESTAMP_NS",
        "99999999999999999999999999999999999999::DECIMAL(38, 0)",
        "NULL",
    ]
)
NESTED = ["{}", "[{}]", "[[{}], NULL]", "{{'INTERVAL': {}, 'b': 1}}", "MAP {{'a': {}}}"]
VALUES = st.builds(lambda form, value: form.format(value), st.sampled_from(NESTED), INTERVALS)
SELECTS = st.lists(VALUES | OTHERS | INTERVALS, min_size=1, max_size=4).map(
    lambda values: "SELECT " + ", ".join(f"{value} AS a" for value in values)
)


def frame_of(storage: StorageEngine, sql: str) -> tuple[str, str]:
    """Return the values and types, or the error: of some intervals DuckDB makes no frame."""
    try:
        frame = storage.execute_df(sql)
    except QueryError as error:
        return type(error).__name__, ""
    return repr(frame.to_dict("list")), repr(list(frame.dtypes))


@pytest.fixture(scope="module")
def plain() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


@pytest.fixture(scope="module", params=["in the process", "in a worker"])
def storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StorageEngine]:
    if request.param == "in the process":
        with StorageEngine.memory(sandbox=True) as storage:
            yield storage
        return
    path: Path = tmp_path_factory.mktemp("intervals") / "a.db"
    StorageEngine(path).close()
    sandbox = Sandbox(worker=True, memory_limit="2GB")
    with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
        yield storage


@given(sql=SELECTS)
def test_rows_are_those_of_plain_duckdb(
    storage: StorageEngine, plain: StorageEngine, sql: str
) -> None:
    assert repr(storage.execute_rows(sql)) == repr(plain.execute_rows(sql))


@given(sql=VALUES)
def test_data_frames_are_those_of_plain_duckdb(
    storage: StorageEngine, plain: StorageEngine, sql: str
) -> None:
    sql = f"SELECT {sql} AS a, {sql} AS b"
    assert frame_of(storage, sql) == frame_of(plain, sql)


def test_an_interval_keeps_its_type_and_its_parameters(storage: StorageEngine) -> None:
    found = storage.preview("SELECT to_hours(?::INT) AS a", [3_000_000])
    assert found.types == ["INTERVAL"]
    assert str(found.rows[0][0]) == "125000 days, 0:00:00"
