"""The tools tell an agent what is in a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp_types import Tool

from mixpanel_data import StorageEngine, TableMetadata
from tests.cli.mcp.agent import Agent, agent_within, message
from tests.cli.mcp.agent import found as found_by
from tests.hostile import FRAGMENTS
from tests.records import EVENTS, FETCHED_AT, make_event

NAMES = {
    *("list_tables", "describe_table", "sample", "query", "event_breakdown", "property_keys"),
    *("property_stats", "summarize"),
}


@pytest.fixture(scope="module")
def tools(asking: Agent) -> list[Tool]:
    """The tools, as the server describes them."""

    async def list_them(client: Client) -> list[Tool]:
        return list((await client.list_tools()).tools)

    return asking.run(list_them)


def test_the_server_says_what_it_is_and_where_to_start(asking: Agent) -> None:
    assert asking.client.server_info is not None
    assert asking.client.server_info.name == "mixpanel-data"
    assert "list_tables" in (asking.client.instructions or "")


def test_all_tools_are_described_and_only_read(tools: list[Tool]) -> None:
    assert {tool.name for tool in tools} == NAMES
    for tool in tools:
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.open_world_hint is False
        assert all(each["description"] for each in tool.input_schema["properties"].values())


def test_the_descriptions_say_how_properties_are_spelled_and_that_coverage_matters(
    tools: list[Tool],
) -> None:
    described = {tool.name: tool.description or "" for tool in tools}
    assert """properties->>'$."$browser"'""" in described["query"]
    assert "spelled" in described["property_keys"]
    for name in ("query", "property_keys"):
        assert "coverage" in described[name]


def test_the_descriptions_leave_room_in_the_context_of_a_model(tools: list[Tool]) -> None:
    assert sum(len(tool.model_dump_json()) for tool in tools) < 20_000


def test_tables_are_listed_with_rows_and_days(asking: Agent) -> None:
    found = asking.ask("list_tables")
    fetched = "2025-02-01T12:30:00+00:00"
    assert found["columns"] == [
        *("table", "type", "row_count", "from_date", "to_date", "fetched_at"),
    ]
    assert found["rows"] == [
        ["events_jan", "events", 300, "2025-01-01", "2025-01-31", fetched],
        ["users", "profiles", 5, None, None, fetched],
    ]
    assert not found["truncated"]
    assert "SHOW TABLES" in found["notes"][0]
    assert ["orders"] in asking.rows("SHOW TABLES")


def test_a_table_is_described_with_its_columns(asking: Agent) -> None:
    found = asking.ask("describe_table", table="EVENTS_JAN")
    assert found["rows"][0] == ["event_name", "VARCHAR", False, False, None]
    assert found["facts"]["table"] == "events_jan"
    assert found["facts"]["type"] == "events"
    assert found["facts"]["row_count"] == 300
    assert any("UTC" in note for note in found["notes"])


def test_a_table_of_another_kind_is_described_as_such(asking: Agent) -> None:
    found = asking.ask("describe_table", table="orders")
    assert [row[:2] for row in found["rows"]] == [["id", "INTEGER"], ["price", "DECIMAL(3,2)"]]
    assert found["facts"] == {"table": "orders", "type": "other"}
    assert asking.ask("sample", table="orders")["rows"] == [[1, 9.99]]


def test_columns_of_properties_and_filters_are_told(path: Path) -> None:
    metadata = TableMetadata("events", FETCHED_AT, filter_events=["Sign Up"])
    with StorageEngine(path) as storage:
        storage.create_events_table("t", [make_event()], metadata, property_columns=["$browser"])
    with agent_within(path) as asking:
        found = asking.ask("describe_table", table="t")
    assert found["rows"][-1] == ["$browser", "VARCHAR", True, False, "$browser"]
    assert found["facts"]["filter_events"] == ["Sign Up"]
    assert any("filter" in note for note in found["notes"])
    assert any("faster" in note for note in found["notes"])


def test_a_sample_has_as_many_rows_as_asked_for(asking: Agent) -> None:
    given: list[dict[str, Any]] = [{}, {"n": 7}, {"n": 200.0}, {"n": None}]
    calls = [("sample", {"table": "events_jan", **arguments}) for arguments in given]
    calls.append(("sample", {"table": "users", "n": 200}))
    counts = [found_by(result)["row_count"] for result in asking.together(calls)]
    assert counts == [5, 7, 200, 5, 5]


def test_events_are_broken_down(asking: Agent) -> None:
    found = asking.ask("event_breakdown", table="events_jan")
    assert [row[:3] for row in found["rows"]] == [
        [name, 100, 10] for name in ("Page View", "Purchase", "Sign Up")
    ]
    assert found["facts"]["total_events"] == 300
    assert found["facts"]["date_range"][0] == "2025-01-01T00:00:00+00:00"


def test_properties_are_listed_with_their_coverage(asking: Agent) -> None:
    found = asking.ask("property_keys", table="events_jan", event="Sign Up")
    assert found["columns"] == ["property", "coverage_percentage", "types", "example"]
    assert found["rows"] == [
        ["$browser", 100.0, {"string": 100}, "Firefox"],
        ["number", 100.0, {"integer": 100}, 1],
        ["plan name", 100.0, {"string": 100}, "pro"],
    ]
    assert found["facts"]["row_count"] == 100


def test_properties_are_searched_by_a_part_of_their_name(asking: Agent) -> None:
    found = asking.ask("property_keys", table="events_jan", contains="BROW")
    assert [row[0] for row in found["rows"]] == ["$browser"]


def test_the_properties_of_a_large_table_are_all_listed(path: Path) -> None:
    events = """
        SELECT 'Sign Up' AS event_name, TIMESTAMP '2025-01-01' AS event_time, 'u' AS distinct_id,
            i::VARCHAR AS insert_id, IF(i = 0, '{"rare": 1}', '{"often": 1}')::JSON AS properties
        FROM range(300000) t(i)
    """
    with StorageEngine(path) as storage:
        storage.create_events_table("t", storage.execute(events), EVENTS)
    with agent_within(path) as asking:
        found = asking.ask("property_keys", table="t")
    rows = {row[0]: row for row in found["rows"]}
    assert set(rows) == {"often", "rare"}
    assert rows["often"][1] > 99
    assert any("of the rows" in note for note in found["notes"])


def test_a_property_is_inspected(asking: Agent) -> None:
    found = asking.ask("property_stats", table="events_jan", property="number", top_n=2)
    assert found["columns"] == ["value", "count", "pct"]
    assert found["row_count"] == 2
    assert found["facts"]["coverage_percentage"] == 100.0
    assert found["facts"]["unique_count"] == 300
    assert found["notes"] == ["These are the most frequent of 300 values."]


def test_columns_are_summarized(asking: Agent) -> None:
    found = asking.ask("summarize", table="users")
    assert [row[0] for row in found["rows"]] == ["distinct_id", "properties", "last_seen"]
    assert found["facts"]["row_count"] == 5


def test_columns_whose_numbers_are_too_large_to_square_are_summarized(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE TABLE t AS FROM (VALUES (1.0::DOUBLE), (1e300), ('inf')) v(n)")
    with agent_within(path) as asking:
        found = asking.ask("summarize", table="t")
        again = asking.ask("query", sql=found["facts"]["sql"])
    (row,) = found["rows"]
    assert dict(zip(found["columns"], row, strict=True))["std"] is None
    assert again["row_count"] == 1


def test_the_sql_of_a_result_can_be_asked_again(asking: Agent) -> None:
    table = {"table": "events_jan"}
    calls = [("property_stats", table | {"property": "$browser"})]
    calls += [(tool, table) for tool in ("event_breakdown", "sample", "summarize")]
    statements = [found_by(result)["facts"]["sql"] for result in asking.together(calls)]
    again = asking.together([("query", {"sql": sql}) for sql in statements])
    assert all(found_by(result)["row_count"] for result in again)


def test_the_example_in_the_description_of_query_runs(asking: Agent, tools: list[Tool]) -> None:
    (text,) = [tool.description or "" for tool in tools if tool.name == "query"]
    example = text[text.index("SELECT properties") : text.index("\n\nA path")]
    assert asking.ask("query", sql=example)["columns"] == ["browser", "users"]


WRONG_CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("list_table", {}, "Did you mean 'list_tables'"),
    ("drop_table", {"table": "users"}, "There is no tool 'drop_table'"),
    ("query", {}, "query needs sql"),
    ("query", {"sql": None}, "query needs sql"),
    ("query", {"sql": 1}, "Give a text"),
    ("query", {"sql": ["SELECT 1"]}, "Give a text"),
    ("query", {"sql": "SELECT 1", "limit": 5}, "no parameter 'limit'"),
    ("list_tables", {"database": "other.db"}, "It has: none"),
    ("sample", {"table": "users", "n": 201}, "from 1 to 200"),
    ("sample", {"table": "users", "n": 0}, "from 1 to 200"),
    ("sample", {"table": "users", "n": "5"}, "from 1 to 200"),
    ("sample", {"table": "users", "n": True}, "from 1 to 200"),
    ("sample", {"table": "users", "n": 1.5}, "from 1 to 200"),
    ("sample", {"table": "user"}, "Did you mean 'users'? Call list_tables"),
    ("summarize", {"table": "_metadata"}, "Call list_tables"),
    ("event_breakdown", {"table": "users"}, "holds profiles"),
    ("property_keys", {"table": "users", "event": "Sign Up"}, "holds profiles"),
    ("property_keys", {"table": "orders"}, "no events or profiles table"),
    ("query", {"sql": "SELECT nope FROM users"}, "nope"),
    ("query", {"sql": "SELECT"}, "Parser Error"),
    ("query", {"sql": "SELECT FROM WHERE"}, "syntax error"),
]


def test_wrong_calls_are_told_what_to_do(asking: Agent) -> None:
    results = asking.together([(tool, arguments) for tool, arguments, _ in WRONG_CALLS])
    for (*call, expected), result in zip(WRONG_CALLS, results, strict=True):
        assert expected in message(result), call


def test_a_misspelt_name_is_told_the_right_one(asking: Agent) -> None:
    found = asking.ask("property_stats", table="events_jan", property="browser")
    assert found["facts"]["coverage_percentage"] == 0
    assert "Did you mean '$browser'?" in found["notes"][0]
    found = asking.ask("property_keys", table="events_jan", event="sign up")
    assert "Did you mean 'Sign Up'?" in found["notes"][0]


#: What JSON or a shell could take for something else.
ODD_NAMES = [
    *("null", "[1]", '{"a": 1}', "1", "true", "", "a.b", 'a"b', "a\\b", "naïve 🙂", "x" * 5000),
    *FRAGMENTS[::6],
]


def test_names_of_properties_and_events_may_be_anything(path: Path) -> None:
    events = [
        make_event(n, event_name=name, properties={name: n}) for n, name in enumerate(ODD_NAMES)
    ]
    with StorageEngine(path) as storage:
        storage.create_events_table("t", events, EVENTS)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("property_stats", {"table": "t", "property": name, "event": name}) for name in ODD_NAMES
    ]
    calls += [("property_keys", {"table": "t", "event": name}) for name in ODD_NAMES]
    with agent_within(path) as asking:
        results = list(map(found_by, asking.together(calls)))
    for number, (stats, keys) in enumerate(
        zip(results[: len(ODD_NAMES)], results[len(ODD_NAMES) :], strict=True)
    ):
        assert [row[0] for row in stats["rows"]] == [number]
        assert stats["facts"]["row_count"] == keys["facts"]["row_count"] == 1
        assert len(keys["rows"]) == 1


def test_names_of_tables_are_no_sql(asking: Agent) -> None:
    names = [*ODD_NAMES, "users; DROP TABLE users", "/etc/passwd", "read_csv('/etc/passwd')"]
    tools = ("describe_table", "sample", "summarize", "event_breakdown", "property_keys")
    calls = [(tool, {"table": name}) for tool in tools for name in names]
    for result in asking.together(calls):
        assert "list_tables" in message(result)
    assert asking.ask("list_tables")["row_count"] == 2


def test_a_name_of_any_length_is_answered_briefly(asking: Agent) -> None:
    long = "y" * 200_000
    calls: list[tuple[str, dict[str, Any]]] = [
        ("property_stats", {"table": "events_jan", "property": long}),
        ("property_stats", {"table": long, "property": "a"}),
        ("property_keys", {"table": "events_jan", "event": long}),
        ("summarize", {"table": "events_jan", long: 1}),
        (long, {}),
    ]
    for result in asking.together(calls):
        assert len(str(result.content)) < 10_000


def test_tables_with_odd_names_can_be_asked(path: Path) -> None:
    names = ['a "b" c', "select", "naïve 🙂", "a;b", "x'--"]
    with StorageEngine(path) as storage:
        for name in names:
            quoted = name.replace('"', '""')
            storage.execute_rows(f'CREATE TABLE "{quoted}" (a INTEGER)')
    with agent_within(path) as asking:
        for tool in ("describe_table", "summarize", "sample"):
            results = asking.together([(tool, {"table": name}) for name in names])
            assert [found_by(result)["facts"]["table"] for result in results] == names
