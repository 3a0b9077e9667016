"""The first rows of a query come without the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import literal, select

from mixpanel_data import QueryError, Sandbox, SandboxError, StorageEngine
from tests.records import EVENTS, make_events

#: How the SQL runs: as it is, in a sandbox, in a worker.
SANDBOXES: dict[str, bool | Sandbox] = {
    "trusted": False,
    "sandbox": Sandbox(max_bytes=1_000_000),
    "worker": Sandbox(worker=True, max_bytes=1_000_000),
}


@pytest.fixture(params=SANDBOXES)
def storage(request: pytest.FixtureRequest, path: Path) -> Iterator[StorageEngine]:
    """A file with twenty events, opened read-only in each way in turn."""
    if request.param == "worker" and sys.platform != "linux":
        pytest.skip("workers need Linux")
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(20), EVENTS)
    with StorageEngine(path, read_only=True, sandbox=SANDBOXES[request.param]) as storage:
        yield storage


def test_a_preview_has_columns_with_types_and_rows(storage: StorageEngine) -> None:
    found = storage.preview("SELECT 1 AS a, 'x' AS a, 1.5 AS b")
    assert found.columns == ["a", "a", "b"]
    assert found.types == ["INTEGER", "VARCHAR", "DECIMAL(2,1)"]
    assert [tuple(map(str, row)) for row in found.rows] == [("1", "x", "1.5")]
    assert not found.has_more


@pytest.mark.parametrize(("n", "has_more"), [(0, True), (19, True), (20, False), (21, False)])
def test_a_preview_tells_whether_there_are_more_rows(
    storage: StorageEngine, n: int, has_more: bool
) -> None:
    found = storage.preview("SELECT insert_id FROM jan", n=n)
    assert (len(found.rows), found.has_more) == (min(n, 20), has_more)


@pytest.mark.parametrize("n", [1, 2047, 2048, 2049, 5000])
def test_a_preview_has_the_first_rows_in_order(storage: StorageEngine, n: int) -> None:
    found = storage.preview("SELECT i FROM range(10000) t(i) ORDER BY i DESC", n=n)
    assert found.rows == [(9999 - i,) for i in range(n)]
    assert found.has_more


def test_ten_million_rows_are_not_too_many(storage: StorageEngine) -> None:
    found = storage.preview("SELECT i, i::VARCHAR || 'abcdef' FROM range(10000000) t(i)", n=3)
    assert found.rows == [(0, "0abcdef"), (1, "1abcdef"), (2, "2abcdef")]


@pytest.mark.parametrize("value", ["range(i, i + 5000)", "MAP {i: range(5000)}", "{'a': [i]}"])
def test_only_the_first_rows_count_towards_the_size(storage: StorageEngine, value: str) -> None:
    found = storage.preview(f"SELECT {value} AS v FROM range(2048) t(i)", n=1)
    assert found.rows == storage.execute_rows(f"SELECT {value} FROM range(1) t(i)")


def test_the_next_query_has_all_its_rows(storage: StorageEngine) -> None:
    storage.preview("FROM range(10)", n=1)
    assert len(storage.execute_rows("FROM range(10)")) == 10
    assert storage.preview("FROM range(10)", n=1).has_more


def test_a_preview_of_no_rows_has_columns(storage: StorageEngine) -> None:
    found = storage.preview("SELECT 1 AS a WHERE false")
    assert (found.columns, found.rows, found.has_more) == (["a"], [], False)


def test_a_preview_binds_parameters(storage: StorageEngine) -> None:
    assert storage.preview("SELECT ? + 1", [1]).rows == [(2,)]
    assert storage.preview("SELECT $a + 1", {"a": 2}).rows == [(3,)]


def test_a_preview_takes_a_statement_of_sqlalchemy(storage: StorageEngine) -> None:
    found = storage.preview(select(literal(42).label("answer")), n=1)
    assert (found.columns, found.rows) == (["answer"], [(42,)])


def test_a_wrong_query_raises_as_everywhere(storage: StorageEngine) -> None:
    with pytest.raises(QueryError, match="nope"):
        storage.preview("SELECT nope FROM jan")


def test_a_number_that_is_none_is_refused(storage: StorageEngine) -> None:
    for n in (-1, True, "1"):
        with pytest.raises(ValueError, match="number of rows"):
            storage.preview("SELECT 1", n=n)  # type: ignore[arg-type]


def test_the_sandbox_checks_a_preview(path: Path) -> None:
    with StorageEngine(path, sandbox=True) as storage:
        for sql in ("DROP TABLE jan", "SELECT 1; SELECT 2", "FROM read_csv('/etc/passwd')"):
            with pytest.raises(SandboxError):
                storage.preview(sql)


def test_a_preview_is_drawn_as_a_table() -> None:
    with StorageEngine.memory() as storage:
        found = storage.preview("SELECT 7 AS seven FROM range(5)", n=2)
    assert "There are more rows." in found._repr_html_()
    assert found.df["seven"].tolist() == [7, 7]
