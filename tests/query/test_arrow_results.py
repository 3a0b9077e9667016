"""Results in Arrow's types: the same from a sandbox as without, or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mixpanel_data import QueryError, Sandbox, StorageEngine

OPENERS: dict[str, Callable[[Path], StorageEngine]] = {
    "in this process": lambda path: StorageEngine(path, read_only=True, sandbox=Sandbox()),
    "in a worker": lambda path: StorageEngine(
        path, read_only=True, sandbox=Sandbox(worker=True, memory_limit="2GB")
    ),
}

VALUES = [
    *("true", "1::TINYINT", "1::UTINYINT", "1::SMALLINT", "1::USMALLINT", "1", "1::UINTEGER"),
    *("1::BIGINT", "1::UBIGINT", "sum(1)", "1::UHUGEINT", "12345678901234567890::BIGNUM"),
    *("1.5::FLOAT", "1.5::DOUBLE", "1.5::DECIMAL(4, 2)", "1.5::DECIMAL(38, 2)", "'a'"),
    *("'a'::BLOB", "'10101'::BIT", "'c0ffee00-0000-0000-0000-000000000000'::UUID", "'[1]'::JSON"),
    *("DATE '2025-01-01'", "TIME '12:00:00'", "TIME '24:00:00'", "TIMETZ '12:00:00+02'"),
    *("TIMESTAMP '2025-01-01'", "TIMESTAMPTZ '2025-01-01 00:00:00+00'"),
    *("TIMESTAMP_S '2025-01-01'", "TIMESTAMP_MS '2025-01-01'"),
    *("'2025-01-01 00:00:00.123456789'::TIMESTAMP_NS", "INTERVAL '1 month 2 days 3 hours'"),
    *("'a'::ENUM('a', 'b')", "1::UNION(a INTEGER, b BOOLEAN)", "row(1, true)"),
    *("array_value(sum(1), 2)", "array_value(true, false)"),
]
NESTED = ["{}", "[{}]", "{{'a': {}, 'b': true}}", "MAP {{1: {}}}", "[[{{'a': [{}]}}]]"]

#: Types without a value, which DuckDB 2.0 counts wrongly in Arrow, or has as keys of a map.
UNTYPED = {
    "MAP {}": [],
    "map([], [])": [],
    "[MAP {}]": [[]],
    "{'a': MAP {}, 'NULL': 1}": {"a": [], "NULL": 1},
    "{'a': MAP {}, 'b': INTERVAL 1 DAY}.a": [],
    "[]": [],
    "[NULL, NULL]": [None, None],
    "[[NULL], [NULL, NULL]]": [[None], [None, None]],
    "[{'a': NULL}, NULL]": [{"a": None}, None],
    "MAP {1: NULL, 2: NULL}": [(1, None), (2, None)],
    "array_value(NULL, NULL)": [None, None],
}


def made(factory: pytest.TempPathFactory) -> Path:
    path = factory.mktemp("types") / "events.db"
    StorageEngine(path).close()
    return path


@pytest.fixture(scope="module")
def free() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


@pytest.fixture(scope="module", params=OPENERS)
def sandbox(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StorageEngine]:
    with OPENERS[request.param](made(tmp_path_factory)) as storage:
        yield storage


@pytest.fixture(scope="module", params=["without", *OPENERS])
def anywhere(
    request: pytest.FixtureRequest, free: StorageEngine, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    if request.param == "without":
        yield free
        return
    with OPENERS[request.param](made(tmp_path_factory)) as storage:
        yield storage


def answers(storage: StorageEngine, sql: str, folder: Path) -> tuple[list[pa.Table], bytes]:
    """Return a result in every form that Arrow makes, and as files."""
    parquet, csv = folder / "x.parquet", folder / "x.csv"
    storage.export(sql, parquet, overwrite=True)
    storage.export(sql, csv, overwrite=True)
    tables = [
        storage.execute_arrow(sql),
        storage.execute_arrow(sql, max_rows=5),
        storage.stream(sql).read_all(),
        pq.read_table(parquet),
    ]
    return tables, csv.read_bytes()


@pytest.mark.parametrize("value", VALUES)
def test_a_sandbox_gives_the_types_values_and_files_of_an_engine_without_one(
    sandbox: StorageEngine, free: StorageEngine, value: str, tmp_path: Path
) -> None:
    columns = (f"{form.format(value)} AS c{n}" for n, form in enumerate(NESTED))
    sql = f"SELECT {', '.join(columns)}"
    tables, text = answers(sandbox, sql, tmp_path)
    expected, expected_text = answers(free, sql, tmp_path)
    for table, other in zip(tables, expected, strict=True):
        assert table.schema == other.schema
        assert table.equals(other)
    assert text == expected_text


def test_polars_has_no_types_of_duckdb_from_a_sandbox(
    sandbox: StorageEngine, free: StorageEngine
) -> None:
    sql = "SELECT true AS b, sum(1) AS h, ['1'::JSON] AS j"
    assert sandbox.execute_polars(sql).equals(free.execute_polars(sql))
    assert sandbox.execute_polars(sql).schema == free.execute_polars(sql).schema


@pytest.mark.parametrize("value", UNTYPED)
def test_nulls_without_a_type_come_as_integers(
    anywhere: StorageEngine, value: str, tmp_path: Path
) -> None:
    sql = f"SELECT {value} AS c, 1 AS d, {value} AS c FROM range(3000)"
    for table in (anywhere.execute_arrow(sql), anywhere.stream(sql).read_all()):
        assert table.column_names == ["c", "d", "c"]
        table.validate(full=True)
        assert table.column(2).to_pylist() == [UNTYPED[value]] * 3000
    single = f"SELECT {value} AS c"
    assert len(anywhere.execute_polars(single)) == 1
    anywhere.export(single, tmp_path / "x.parquet")
    assert pq.read_table(tmp_path / "x.parquet")["c"].to_pylist() == [UNTYPED[value]]


@pytest.mark.parametrize("form", ["[{}]", "{{'a': {}}}", "MAP {{1: {}}}"])
def test_what_arrow_cannot_nest_is_a_query_error(
    anywhere: StorageEngine, form: str, tmp_path: Path
) -> None:
    value = "1"
    for _ in range(64):
        value = form.format(value)
    sql = f"SELECT {value} AS c"
    with pytest.raises(QueryError, match=r"than Arrow's 64 levels.*to_json\(col") as caught:
        anywhere.execute_arrow(sql)
    assert type(caught.value) is QueryError
    with pytest.raises(QueryError, match="to_json"):
        anywhere.stream(sql).read_all()
    with pytest.raises(QueryError, match="to_json"):
        anywhere.export(sql, tmp_path / "x.parquet")
    assert not (tmp_path / "x.parquet").exists()
    assert anywhere.execute_scalar("SELECT 1") == 1
    assert len(anywhere.execute_scalar(f"SELECT to_json({value})")) > 64


@pytest.mark.skipif(duckdb.__version__.startswith("2."), reason="DuckDB 2.0 has VARIANT in Arrow")
def test_a_type_that_arrow_lacks_is_a_query_error(free: StorageEngine) -> None:
    for read in (free.execute_arrow, free.execute_polars, free.stream):
        with pytest.raises(QueryError, match="VARIANT"):
            read("SELECT 1::VARIANT AS c")
