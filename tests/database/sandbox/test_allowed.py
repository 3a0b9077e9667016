"""What works in a sandbox as it does without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from sqlalchemy import inspect, select

from mixpanel_data import Sandbox, StorageEngine
from tests.database.sandbox.ordinary import ORDINARY, TABLES
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

EXPORT = Path(__file__).parents[3] / "examples" / "events.jsonl.gz"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageEngine]:
    path = tmp_path_factory.mktemp("ordinary") / "events.db"
    with StorageEngine(path) as storage:
        storage.connection.execute(TABLES)
    with StorageEngine(path, read_only=True, sandbox=True) as storage:
        yield storage


@pytest.mark.parametrize("sql", ORDINARY)
def test_what_people_ask_runs(sql: str, tables: StorageEngine) -> None:
    assert isinstance(tables.execute_rows(sql), list)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'COPY x TO y; SET a = 1; read_csv(''a'')' AS text",
        "SELECT 1;",
        "/* read_csv('a') */ SELECT 1 -- query('x')",
        "SELECT event_name, count(*) FROM events GROUP BY ALL",
        "SELECT properties->>'$.\"$browser\"' AS glob FROM events WHERE event_name GLOB 'P*'",
        "WITH query AS (SELECT 1 AS a) SELECT * FROM query",
        "SELECT * FROM range(3), unnest([1, 2])",
        "SELECT j.key FROM events, json_each(properties) AS j",
        "DESCRIBE events",
        "SHOW events",
        "SUMMARIZE events",
        "SHOW TABLES",
        "FROM information_schema.tables",
        "FROM duckdb_tables()",
        "FROM EVENTS",
        'FROM main."Events"',
        "PIVOT events ON event_name IN ('Page View') USING count(*)",
        "SELECT count(*) FROM events AS e ASOF JOIN events AS f ON e.event_time >= f.event_time",
        "SELECT 'Zürich', '東京', now(), random(), uuid()",
        "SELECT current_setting('memory_limit'), list_aggregate([1], 'sum')",
        "WITH a AS (SELECT 1 AS n), b AS (FROM a) SELECT (SELECT max(n) FROM b) FROM a",
        "WITH A AS (SELECT 1) FROM (WITH c AS (FROM a) FROM c)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM R WHERE n < 3) FROM r",
        "SELECT $$ ' $$, E'\\'', 'a''b', \"event_name\" FROM events",
        "SELECT " + " AND ".join(["event_name <> ''"] * 1000) + " FROM events",
        "SELECT count(*) FROM events WHERE event_name IN (" + ",".join(["'a'"] * 5000) + ")",
        "SELECT " + "+".join(["1"] * 150),
        "VALUES " + ",".join(["(1)"] * 2000),
    ],
    ids=lambda sql: ascii(sql[:60]),
)
def test_ordinary_sql_runs(sql: str, storage: StorageEngine) -> None:
    assert isinstance(storage.execute_rows(sql), list)


def test_parameters_are_bound(storage: StorageEngine) -> None:
    assert storage.execute_rows("SELECT ?, $2", [1, "a"]) == [(1, "a")]
    assert storage.execute_scalar("SELECT $low + 1", {"low": 1}) == 2


def test_the_engine_loads_and_drops_as_ever(anywhere: StorageEngine) -> None:
    assert anywhere.create_events_table("events", make_events(3000), EVENTS) == 3000
    assert anywhere.append_events_table("events", make_events(10, 2995), EVENTS) == 5
    assert anywhere.create_profiles_table("users", make_profiles(3), PROFILES) == 3
    frame = pd.DataFrame([make_event(5000)]).assign(properties="{}")
    assert anywhere.append_events_table("events", frame, EVENTS) == 1
    anywhere.drop_table("users")
    assert [table.name for table in anywhere.list_tables()] == ["events"]
    assert anywhere.execute_scalar("SELECT count(*) FROM events") == 3006


def test_the_engine_loads_export_files_as_without_a_sandbox(anywhere: StorageEngine) -> None:
    query = "SELECT * REPLACE (properties::VARCHAR AS properties) FROM events ORDER BY ALL"
    rows = anywhere.load_events_export("events", EXPORT, EVENTS)
    with StorageEngine.memory() as free:
        assert free.load_events_export("events", EXPORT, EVENTS) == rows > 1000
        assert free.execute_rows(query) == anywhere.execute_rows(query)


def test_models_and_sessions_read(storage: StorageEngine) -> None:
    event = storage.model("events")
    with storage.session() as session:
        assert len(session.scalars(select(event)).all()) == 3
        found = session.scalars(
            select(event).where(event.properties["$browser"].as_string() == "x")
        )
        assert found.all() == []


def test_the_inspector_works(storage: StorageEngine) -> None:
    inspector = inspect(storage.engine)
    assert "events" in inspector.get_table_names()
    assert inspector.get_columns("events")[0]["name"] == "event_name"
    assert inspector.get_pk_constraint("events")["constrained_columns"] == ["insert_id"]
    assert inspector.get_view_names() == []
    assert inspector.get_indexes("events") == []
    assert inspector.has_table("events")
    assert inspector.get_schema_names()


def test_an_older_file_is_upgraded_in_a_sandbox(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        recipe = Path(__file__).parents[2] / "databases" / "original.sql"
        connection.execute(recipe.read_text())
    with StorageEngine(path, sandbox=True, migrate=True) as storage:
        assert storage.schema_revision is not None


def test_functions_of_the_user_can_be_allowed(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.connection.execute("CREATE MACRO twice(a) AS 2 * a")
        storage.connection.execute("CREATE MACRO firsts(n) AS TABLE FROM range(n)")
    with StorageEngine(path, sandbox=Sandbox(functions=["Twice", "firsts"])) as storage:
        assert storage.execute_scalar("SELECT twice(4)") == 8
        assert storage.execute_scalar("SELECT count(*) FROM firsts(5)") == 5
    with StorageEngine(path, sandbox=Sandbox(functions=["json_structure"])) as storage:
        assert storage.execute_scalar("SELECT json_structure('1')") == '"UBIGINT"'
