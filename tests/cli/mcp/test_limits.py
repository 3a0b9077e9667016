"""No call can take the server down, or make it give more than a model can read."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp import Client

from tests.cli.mcp.agent import Agent, agent, found, message
from tests.database.sandbox.workers.conftest import is_there, workers_of

ENDLESS = "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(10000000) AS b(i)"

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="workers need Linux")


@pytest.fixture(scope="module")
def hurried(database: Path) -> Iterator[Agent]:
    """An agent whose calls may take three seconds."""
    with agent(database, "--timeout", "3", "--memory-limit", "500MB") as connected:
        yield connected


#: A server as it runs elsewhere than on Linux.
WITHOUT_WORKERS = """
import sys
from mixpanel_data.cli.mcp_server import McpServer
McpServer(sys.argv[1], worker=False, timeout=float(sys.argv[2])).run()
"""


def wait_for_worker(server: int) -> int:
    """Return a worker of a server once there is one."""
    deadline = time.monotonic() + 60
    while not (workers := workers_of(server)):
        assert time.monotonic() < deadline, "There is no worker."
        time.sleep(0.05)
    return workers[0]


def wait_for_end_of(process: int) -> None:
    """Wait until a process is gone."""
    deadline = time.monotonic() + 60
    while is_there(process):
        assert time.monotonic() < deadline, "The process goes on."
        time.sleep(0.05)


def test_a_result_of_ten_million_rows_is_cut(served: Agent) -> None:
    answer = served.ask("query", sql="SELECT i, i * 2 AS j FROM range(10000000) t(i)")
    assert answer["rows"] == [[i, 2 * i] for i in range(200)]
    assert answer["truncated"]
    assert "LIMIT and OFFSET" in answer["notes"][-1]


def test_a_result_of_exactly_as_many_rows_as_allowed_is_whole(served: Agent) -> None:
    answer = served.ask("query", sql="FROM range(200)")
    assert (answer["row_count"], answer["truncated"], answer["notes"]) == (200, False, [])


def test_a_long_result_is_cut_to_fifty_thousand_characters(served: Agent) -> None:
    queries = [
        "SELECT repeat('x', 10000) FROM range(150)",
        "SELECT repeat('\"', 100000)",
        "SELECT repeat('🙂', 60000) FROM range(3)",
        "SELECT repeat('\x01', 60000)",
        "SELECT range(5000) AS many, repeat('x', 100) AS text FROM range(200)",
        "SELECT {'a': repeat('x', 60000), 'b': range(10)} FROM range(2)",
        "SELECT " + ", ".join(f"repeat('y', 600) AS c{n}" for n in range(300)),
        f'SELECT 1 AS "{"n" * 60000}"',
    ]
    for result in served.together([("query", {"sql": sql}) for sql in queries]):
        answer = found(result)
        assert answer["truncated"]
        assert answer["rows"]
        assert any("cut" in note for note in answer["notes"])


def test_more_columns_than_a_result_has_room_for_are_refused(served: Agent) -> None:
    columns = ", ".join(f"1 AS a_name_that_is_not_short_{n}" for n in range(2000))
    assert "Select fewer columns" in served.refusal("query", sql=f"SELECT {columns}")


def test_a_query_that_never_ends_is_stopped(hurried: Agent) -> None:
    said = hurried.refusal("query", sql=ENDLESS)
    assert "Stopped after 3 seconds" in said
    assert "Ask for less" in said
    assert hurried.rows("SELECT 42") == [[42]]


@linux_only
def test_a_query_that_needs_too_much_memory_is_stopped(hurried: Agent) -> None:
    queries = ["SELECT repeat('a', 2000000000)", "SELECT list(range) FROM range(1000000000)"]
    for result in hurried.together([("query", {"sql": sql}) for sql in queries]):
        assert "Ask for less" in message(result)
    assert hurried.rows("SELECT 42") == [[42]]


@linux_only
def test_a_query_that_kills_duckdb_leaves_the_server_alive(served: Agent) -> None:
    call = served.start(lambda client: client.call_tool("query", {"sql": ENDLESS}))
    os.kill(wait_for_worker(served.pid), signal.SIGSEGV)
    said = message(call.result())
    assert "killed by SIGSEGV" in said
    assert "Nothing is lost" in said
    assert served.rows("SELECT 42") == [[42]]


def test_without_workers_queries_are_interrupted(database: Path) -> None:
    with agent(database, 3, script=WITHOUT_WORKERS) as asking:
        assert asking.rows("SELECT count(*) FROM events_jan") == [[300]]
        assert asking.ask("query", sql="FROM range(10000000)")["truncated"]
        assert "sandbox refuses" in asking.refusal("query", sql="FROM '/etc/passwd'")
        assert "Stopped after 3 seconds" in asking.refusal("query", sql=ENDLESS)
        assert len(workers_of(asking.pid)) == 0


def test_without_workers_cancelling_a_call_interrupts_it(database: Path) -> None:
    with agent(database, 1000, script=WITHOUT_WORKERS) as asking:
        calls = [
            asking.start(lambda client: client.call_tool("query", {"sql": ENDLESS}))
            for _ in range(2)
        ]
        time.sleep(1)
        for call in calls:
            call.cancel()
        assert asking.rows("SELECT 42") == [[42]]


def test_two_hundred_calls_at_once_are_all_answered(served: Agent) -> None:
    calls = [("query", {"sql": f"SELECT {n}, count(*) FROM events_jan"}) for n in range(100)]
    calls += [("list_tables", {})] * 40
    calls += [("query", {"sql": "DROP TABLE users"})] * 20
    calls += [("property_stats", {"table": "events_jan", "property": "number"})] * 20
    calls += [("describe_table", {"table": "nope"})] * 20
    results = served.together(calls)
    assert [found(result)["rows"] for result in results[:100]] == [[[n, 300]] for n in range(100)]
    assert all(found(result)["row_count"] == 2 for result in results[100:140])
    assert all("sandbox refuses" in message(result) for result in results[140:160])
    assert all(found(result)["row_count"] == 10 for result in results[160:180])
    assert all("list_tables" in message(result) for result in results[180:])


@linux_only
def test_few_workers_serve_many_calls(served: Agent) -> None:
    async def all_at_once(client: Client) -> int:
        calls = [client.call_tool("query", {"sql": "FROM range(1000000)"}) for _ in range(50)]
        work = asyncio.gather(*calls)
        most = 0
        while not work.done():
            most = max(most, len(workers_of(served.pid)))
            await asyncio.sleep(0.01)
        assert not any(result.is_error for result in work.result())
        return most

    assert 1 <= served.run(all_at_once) <= 2


@linux_only
def test_a_call_that_is_cancelled_stops_its_query(database: Path) -> None:
    with agent(database, "--timeout", "1000") as asking:
        call = asking.start(lambda client: client.call_tool("query", {"sql": ENDLESS}))
        worker = wait_for_worker(asking.pid)
        call.cancel()
        wait_for_end_of(worker)
        assert asking.rows("SELECT 42") == [[42]]


def test_calls_that_are_cancelled_in_the_queue_never_run(served: Agent) -> None:
    async def cancel_most(client: Client) -> list[object]:
        tasks = [
            asyncio.ensure_future(client.call_tool("query", {"sql": f"SELECT {n}"}))
            for n in range(50)
        ]
        await asyncio.sleep(0.5)
        for task in tasks[10:]:
            task.cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    results = served.run(cancel_most)
    assert all(not isinstance(result, BaseException) for result in results[:10])
    assert served.rows("SELECT 42") == [[42]]


@linux_only
def test_a_server_that_is_hung_up_on_ends_with_its_queries(database: Path) -> None:
    with agent(database, "--timeout", "1000") as asking:
        asking.start(lambda client: client.call_tool("query", {"sql": ENDLESS}))
        worker, server = wait_for_worker(asking.pid), asking.pid
    wait_for_end_of(worker)
    wait_for_end_of(server)
