"""``explain`` returns DuckDB's plan of a query, which is checked like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import column, func, insert, select, table

from mixpanel_data import QueryError, QueryTimeoutError, Sandbox, SandboxError, StorageEngine
from tests.records import EVENTS, make_events


@pytest.mark.parametrize("sandbox", [True, False])
def test_the_plan_of_a_query_is_a_text(sandbox: bool, path: Path) -> None:
    events = table("events", column("event_name"))
    with StorageEngine(path, sandbox=sandbox) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
        for query, params in (
            ("SELECT * FROM events WHERE event_name <> ?", ["a"]),
            ("FROM events WHERE event_name <> $name", {"name": "a"}),
            (select(events).where(events.c.event_name != "a"), None),
            (select(events.c.event_name, func.count()).group_by(events.c.event_name), None),
        ):
            assert "events" in storage.explain(query, params)
            plan = storage.explain(query, params, analyze=True)
            assert "events" in plan
            assert "Total Time" in plan


@pytest.mark.parametrize("analyze", [True, False])
def test_in_a_sandbox_the_explained_query_is_checked(analyze: bool, path: Path) -> None:
    StorageEngine(path).close()
    with StorageEngine(path, sandbox=Sandbox(timeout=0.2)) as storage:
        for sql in (
            f"COPY (SELECT 1) TO '{path}' (USE_TMP_FILE false)",
            f"FROM read_blob('{path}')",
            "DELETE FROM _metadata",
            "ANALYZE SELECT 1",
            "EXPLAIN SELECT 1",
            "SELECT 1; SELECT 2",
        ):
            with pytest.raises(QueryError):
                storage.explain(sql, analyze=analyze)
        with pytest.raises(SandboxError):
            storage.explain("FROM duckdb_settings()", analyze=analyze)


def test_explain_analyze_is_limited_by_the_timeout() -> None:
    sql = "SELECT sum(a.n * b.n) FROM range(10000000) a(n), range(10000000) b(n)"
    with StorageEngine.memory(sandbox=Sandbox(timeout=0.2)) as storage:
        assert storage.explain(sql)
        with pytest.raises(QueryTimeoutError):
            storage.explain(sql, analyze=True)


def test_outside_of_a_sandbox_explain_analyze_rolls_back_what_it_writes() -> None:
    numbers = table("numbers", column("n"))
    with StorageEngine.memory() as storage:
        storage.create_table_as("numbers", "SELECT 1 AS n")
        storage.explain(insert(numbers).values(n=2), analyze=True)
        storage.explain("DELETE FROM numbers", analyze=True)
        assert storage.execute_rows("FROM numbers") == [(1,)]
        with pytest.raises(QueryError, match="one statement"):
            storage.explain("SELECT 1; DROP TABLE numbers", analyze=True)
