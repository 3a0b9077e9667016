"""ENUM values within lists, arrays, structs, maps and unions in results of a sandbox.

In Arrow they are dictionaries, and DuckDB cannot read every dictionary that it wrote: 1.5 crashes
on some, and 2.0 returns wrong values for some.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import QueryError, Sandbox, StorageEngine
from mixpanel_data.database.sandbox.scratch import scratch
from tests.examples import examples

pytestmark = pytest.mark.slow

#: A type, and values of it in SQL.
Kind = tuple[str, list[str]]

ENUM: Kind = ("ENUM('good', 'bad')", ["'good'", "'bad'", "NULL"])
SCALARS: list[Kind] = [
    ("INTEGER", ["1", "NULL"]),
    ("VARCHAR", ["'x'", "NULL"]),
    ("BIT", ["'101'::BIT", "NULL"]),
    ("HUGEINT", ["170141183460469231731687303715884105727", "NULL"]),
    ("UUID", ["'00000000-0000-0000-0000-000000000001'", "NULL"]),
    ("TIME", ["TIME '24:00:00'", "NULL"]),
    ("TIMESTAMPTZ", ["TIMESTAMPTZ '2025-01-01 00:00:00+00'", "NULL"]),
]


def list_of(kind: Kind) -> Kind:
    name, values = kind
    return f"{name}[]", ["[]", "NULL", *(f"[{value}]" for value in values)]


def array_of(kind: Kind) -> Kind:
    name, values = kind
    return f"{name}[2]", ["NULL", f"[{values[0]}, {values[-1]}]"]


def struct_of(kind: Kind) -> Kind:
    name, values = kind
    return f"STRUCT(a {name}, b INTEGER)", ["NULL", *(f"{{'a': {v}, 'b': 1}}" for v in values)]


def map_of(kind: Kind) -> Kind:
    name, values = kind
    return f"MAP(INTEGER, {name})", ["MAP {}", "NULL", *(f"MAP {{1: {v}}}" for v in values)]


def union_of(kind: Kind) -> Kind:
    name, values = kind
    made = [f"union_value(u := CAST({value} AS {name}))" for value in values]
    return f"UNION(u {name}, n INTEGER)", ["NULL", "union_value(n := 1)", *made]


WRAPPINGS = [list_of, array_of, struct_of, map_of, union_of]


def wrapped(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    return st.builds(lambda wrap, kind: wrap(kind), st.sampled_from(WRAPPINGS), inner)


kinds = st.recursive(st.sampled_from([ENUM, ENUM, *SCALARS]), wrapped, max_leaves=3)


def columns_of(name: str, kind: Kind) -> str:
    sql_type, values = kind
    rows = ", ".join(f"({value})" for value in values)
    return f"CREATE TABLE {name} AS SELECT CAST(v AS {sql_type}) AS v FROM (VALUES {rows}) t(v)"


def made(path: Path, kind: Kind) -> Path:
    """Make a database with a column of a type, in its tables ``few`` and ``many``."""
    with StorageEngine(path) as storage:
        try:
            storage.execute_rows(columns_of("few", kind))
        except QueryError:  # DuckDB 1.5 has no cast for some of them
            pytest.skip("DuckDB cannot make such a column")
        storage.execute_rows("CREATE TABLE many AS SELECT v FROM few, range(1500)")
    return path


QUERIES = [
    "SELECT v FROM few",
    "SELECT v FROM few WHERE v IS NULL",
    "SELECT v FROM few WHERE false",
    "SELECT v FROM many",
]


def answers(path: Path, sandbox: Sandbox | None) -> list[tuple[object, ...]]:
    with StorageEngine(path, read_only=True, sandbox=sandbox or False) as storage:
        return [
            (storage.execute_rows(query), [*map(str, storage.execute_df(query).dtypes)])
            for query in QUERIES
        ]


def assert_same_answers(path: Path, sandbox: Sandbox) -> None:
    assert answers(path, sandbox) == answers(path, None)


@pytest.fixture(
    params=[wrap(ENUM) for wrap in WRAPPINGS]
    + [outer(inner(ENUM)) for outer in WRAPPINGS for inner in (list_of, array_of, union_of)],
    ids=lambda kind: kind[0],
)
def nested(request: pytest.FixtureRequest, path: Path) -> Path:
    return made(path, request.param)


def test_nested_enums_are_the_same_with_and_without_a_sandbox(nested: Path) -> None:
    assert_same_answers(nested, Sandbox())


@pytest.mark.parametrize("wrap", WRAPPINGS)
def test_nested_enums_are_the_same_from_a_worker(path: Path, wrap: object) -> None:
    assert callable(wrap)
    assert_same_answers(made(path, wrap(list_of(ENUM))), Sandbox(worker=True))


def test_whole_days_as_times_come_from_a_worker_however_deep(path: Path) -> None:
    times: Kind = ("TIME", ["TIME '24:00:00'", "NULL"])
    assert_same_answers(made(path, list_of(struct_of(times))), Sandbox(worker=True))


def test_unions_of_maps_come_from_a_worker_beyond_the_first_batch(path: Path) -> None:
    assert_same_answers(made(path, union_of(map_of(array_of(SCALARS[0])))), Sandbox(worker=True))


@given(kind=kinds)
@examples(10)
def test_types_of_any_nesting_come_through(
    tmp_path_factory: pytest.TempPathFactory, kind: Kind
) -> None:
    assert_same_answers(made(tmp_path_factory.mktemp("any") / "x.db", kind), Sandbox())


@pytest.fixture
def broken() -> None:
    """Make our own DuckDB stop, as far as this version does over anything."""
    labels = pa.DictionaryArray.from_arrays(pa.array([], pa.int8()), pa.array(["good"]))
    lists = pa.ListArray.from_arrays(pa.array([0, 0], pa.int32()), labels)
    with pytest.raises(duckdb.Error), scratch() as connection:
        connection.from_arrow(pa.table({"v": lists})).fetchall()


@pytest.mark.skipif(not duckdb.__version__.startswith("1."), reason="Nothing known stops DuckDB 2")
@pytest.mark.usefixtures("broken")
def test_an_internal_database_that_has_stopped_is_replaced() -> None:
    with StorageEngine.memory(sandbox=True) as storage:
        assert storage.execute_rows("SELECT 1") == [(1,)]
