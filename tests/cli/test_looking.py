"""The commands that show what a database has."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mixpanel_data import StorageEngine
from tests.cli.conftest import Run
from tests.records import EVENTS, make_event

EVERY_COMMAND = [
    ("tables", "app.db"),
    ("info", "app.db"),
    ("schema", "app.db", "jan"),
    ("sample", "app.db", "jan", "-n", "2"),
    ("summarize", "app.db", "jan"),
    ("breakdown", "app.db", "jan"),
    ("keys", "app.db", "jan"),
    ("coverage", "app.db", "jan"),
    ("stats", "app.db", "jan", "number"),
    ("columns", "list", "app.db", "jan"),
    ("migrate", "status", "app.db"),
    ("query", "app.db", "FROM jan LIMIT 2"),
]
every_command = pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda c: c[0])


@every_command
def test_each_format_has_the_same_rows_and_nothing_on_stderr(
    run: Run, database: Path, command: tuple[str, ...]
) -> None:
    written = {form: run(*command, "--format", form) for form in ("jsonl", "json", "csv")}
    assert {(outcome.code, outcome.err) for outcome in written.values()} == {(0, "")}
    rows = written["jsonl"].rows
    if command[0] == "sample":  # which draws again
        assert len(json.loads(written["json"].out)) == len(rows) == 2
        return
    found = json.loads(written["json"].out)
    assert rows == (found if isinstance(found, list) else [found])
    cells = list(csv.DictReader(io.StringIO(written["csv"].out)))
    assert [list(row) for row in cells] == [list(row) for row in rows]
    assert run(*command).out == written["jsonl"].out  # what a pipe gets


@every_command
def test_parquet_has_as_many_rows(run: Run, database: Path, command: tuple[str, ...]) -> None:
    outcome = run(*command, "--format", "parquet")
    assert (outcome.code, outcome.err) == (0, "")
    assert pq.read_table(io.BytesIO(outcome.data)).num_rows == len(run(*command).rows)


@every_command
def test_a_table_in_a_pipe_is_plain_and_whole(
    run: Run, database: Path, command: tuple[str, ...]
) -> None:
    outcome = run(*command, "--format", "table")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\x1b" not in outcome.out
    assert "…" not in outcome.out


@every_command
def test_a_database_that_is_not_there_is_not_found_and_not_made(
    run: Run, command: tuple[str, ...]
) -> None:
    outcome = run(*command)
    assert (outcome.code, outcome.out) == (3, "")
    assert "app.db: no such file" in outcome.err
    assert not Path("app.db").exists()


@pytest.mark.parametrize(
    "command", [c for c in EVERY_COMMAND if "jan" in c and c[0] != "query"], ids=lambda c: c[0]
)
def test_a_table_that_is_not_there_is_not_found(
    run: Run, database: Path, command: tuple[str, ...]
) -> None:
    outcome = run(*["jam" if part == "jan" else part for part in command])
    assert (outcome.code, outcome.out) == (3, "")
    assert "There is no table 'jam'" in outcome.err
    assert "'jan'" in outcome.err


def test_what_is_told_is_true(run: Run, database: Path) -> None:
    assert [(row["name"], row["row_count"]) for row in run("tables", database).rows] == [
        ("jan", 30),
        ("users", 5),
    ]
    (info,) = run("info", database).rows
    assert [table["name"] for table in info["tables"]] == ["jan", "users"]
    assert info["size"] == database.stat().st_size
    assert {row["count"] for row in run("breakdown", database, "jan").rows} == {10}
    keys = [row["property"] for row in run("keys", database, "jan", "--event", "Sign Up").rows]
    assert keys == ["$browser", "number", "plan name"]
    (stats,) = run("stats", database, "jan", "$browser").rows
    assert stats["top_values"] == [{"value": "Firefox", "count": 30, "pct": 100.0}]
    assert run("columns", "list", database, "jan").rows == [
        {"property": "plan name", "type": "VARCHAR", "name": "plan name", "stale": False}
    ]
    assert len(run("sample", database, "jan", "-n", "3").rows) == 3


def test_a_title_is_wider_than_narrow_columns(run: Run, database: Path) -> None:
    for command in (["keys", database, "jan"], ["columns", "list", database, "jan"]):
        title = run(*command, "--format", "table").out.splitlines()[0]
        assert re.fullmatch(r"(Properties|Property columns) of jan *", title)


def test_a_property_that_occurs_nowhere_gets_a_hint(run: Run, database: Path) -> None:
    outcome = run("stats", database, "jan", "$brwser")
    assert outcome.code == 0
    assert "$browser" in outcome.err


def test_values_of_several_types_are_text_in_parquet_and_json_in_csv(run: Run) -> None:
    properties = {"a": 1, "b": "x", "c": [1, {"d": None}]}
    with StorageEngine("mixed.db") as storage:
        storage.create_events_table("t", [make_event(0, properties=properties)], EVENTS)
    outcome = run("coverage", "mixed.db", "t", "--format", "parquet")
    examples = pq.read_table(io.BytesIO(outcome.data))["example"].to_pylist()
    cells = run("coverage", "mixed.db", "t", "--format", "csv").out.splitlines()
    assert examples == ["1", "x", '[1,{"d":null}]']
    assert cells[1] == '"a",1,0,0,100.0,"{""integer"":1}",1'
    table = run("coverage", "mixed.db", "t", "--format", "table").out
    assert "string: 1" in table


def test_numbers_beyond_64_bits_and_none_numbers_are_json(run: Run) -> None:
    with StorageEngine("big.db") as storage:
        events = [make_event(0, properties={"x": 10**30}), make_event(1, properties={"x": 10**30})]
        storage.create_events_table("t", events, EVENTS)
    (stats,) = run("stats", "big.db", "t", "x").rows
    assert stats["top_values"][0]["count"] == 2


def test_columns_whose_numbers_are_too_large_to_square_are_summarized(run: Run) -> None:
    with StorageEngine("large.db") as storage:
        storage.execute_rows("CREATE TABLE t AS FROM (VALUES (1.0::DOUBLE), (1e300), ('inf')) v(n)")
    (summary,) = run("summarize", "large.db", "t").rows
    assert (summary["max"], summary["std"], summary["count"]) == ("inf", None, 3)


def test_names_and_values_cannot_steer_a_terminal(run: Run) -> None:
    evil = "\x1b[2Jgone\x9b31m\u202e\r\n"
    with StorageEngine("evil.db") as storage:
        storage.create_events_table("t", [make_event(0, event_name=evil)], EVENTS)
    outcome = run("breakdown", "evil.db", "t", "--format", "table")
    assert r"\x1b[2Jgone\x9b31m\u202e\r\n" in outcome.out
    assert run("breakdown", "evil.db", "t").rows[0]["event_name"] == evil
    outcome = run("schema", "evil.db", "\x1b[31m")
    assert outcome.code == 3
    assert "\x1b" not in outcome.err


@pytest.mark.parametrize("url", ["duckdb+mixpanel:///app.db", "duckdb:///app.db"])
def test_a_database_may_be_a_url(run: Run, database: Path, url: str) -> None:
    assert len(run("tables", url).rows) == 2


@pytest.mark.parametrize("name", ["", ":memory:", "postgresql://host/x", "duckdb+mixpanel://"])
def test_what_is_no_database_is_a_wrong_usage(run: Run, name: str) -> None:
    assert run("tables", name).code == 2


def test_files_may_have_any_name(run: Run, database: Path) -> None:
    for name in ("with space.db", "[1]*?.db", "東京.db", "-x.db", "it's.db"):
        database.with_name(name).write_bytes(database.read_bytes())
        assert len(run("tables", "--", name).rows) == 2
