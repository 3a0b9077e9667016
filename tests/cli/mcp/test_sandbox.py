"""SQL that an agent sends can only read the tables of the database."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from mixpanel_data import StorageEngine
from tests.cli.mcp.agent import Agent, agent, agent_within, found, message
from tests.records import EVENTS, make_events

#: Each is refused, whatever the file system holds.
HOSTILE = [
    "ATTACH '{other}'",
    "ATTACH '{other}' AS other (READ_ONLY)",
    "COPY events_jan TO '{stolen}'",
    "COPY (SELECT 1) TO '{stolen}'",
    "COPY events_jan FROM '{secret}'",
    "EXPORT DATABASE '{stolen}'",
    "IMPORT DATABASE '{stolen}'",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM glob('/*')",
    "FROM '{secret}'",
    "FROM 'https://example.com/data.csv'",
    "SELECT * FROM sniff_csv('{secret}')",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET memory_limit = '100GB'",
    "RESET memory_limit",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "PRAGMA import_database('{stolen}')",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE users",
    "SELECT 1;; ATTACH '{other}'",
    "DROP TABLE users",
    "DELETE FROM users",
    "UPDATE users SET distinct_id = 'x'",
    "INSERT INTO users VALUES ('x', NULL, NULL)",
    "MERGE INTO users USING users AS u ON true WHEN MATCHED THEN DELETE",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "CREATE SECRET s (TYPE s3)",
    "WITH gone AS (DELETE FROM users RETURNING *) FROM gone",
    "ALTER TABLE users RENAME TO gone",
    "VACUUM",
    "CHECKPOINT",
    "BEGIN",
    "USE memory",
    "CALL duckdb_settings()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_databases()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_extensions()",
    "SELECT getenv('HOME')",
    "SELECT current_setting('temp_directory')",
    "SELECT query('SELECT 1')",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('users')",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DETACH memory",
    "SELECT ?",
    "SELECT $name",
    "",
    ";",
    "-- nothing",
    "SELECT 1 \0",
    "(" * 5000,
    "SELECT '" + "x" * 200_000 + "'",
]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file that no agent may read."""
    file = tmp_path / "secret.csv"
    file.write_text("word\nsesame\n")
    return file


def test_hostile_sql_is_refused(asking: Agent, secret: Path, tmp_path: Path) -> None:
    other, stolen = tmp_path / "other.db", tmp_path / "stolen"
    StorageEngine(other).close()
    before = sorted(tmp_path.iterdir())
    names = {"other": other, "secret": secret, "stolen": stolen}
    statements = [sql.format(**names) if "{" in sql and len(sql) < 1000 else sql for sql in HOSTILE]
    results = asking.together([("query", {"sql": sql}) for sql in statements])
    for sql, result in zip(statements, results, strict=True):
        said = message(result)
        assert "sesame" not in said, sql
    assert sorted(tmp_path.iterdir()) == before
    assert asking.ask("list_tables")["row_count"] == 2
    assert asking.rows("SELECT count(*) FROM users") == [[5]]


def test_most_refusals_say_that_the_sandbox_refuses(asking: Agent, secret: Path) -> None:
    said = asking.refusal("query", sql=f"SELECT * FROM read_csv('{secret}')")
    assert "sandbox refuses the function read_csv()" in said
    assert "one statement at a time" in asking.refusal("query", sql="SELECT 1; SELECT 2")


def test_nothing_is_written_beside_the_database(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    content, names = path.read_bytes(), {path.name}
    with agent_within(path) as asking:
        assert asking.rows("SELECT count(*) FROM jan") == [[3]]
        asking.ask("list_tables")
        asking.ask("summarize", table="jan")
        names |= {file.name for file in path.parent.glob("*.log")}
        assert {file.name for file in path.parent.iterdir()} == names
    assert path.read_bytes() == content


def test_a_link_cannot_lead_an_agent_elsewhere(path: Path, secret: Path) -> None:
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE TABLE t AS SELECT 1 AS a")
        storage.execute_rows("CREATE MACRO shown() AS TABLE FROM t")
        storage.execute_rows(f"CREATE MACRO leaked() AS TABLE FROM read_text('{secret}')")
        storage.execute_rows("CREATE MACRO count_star() AS 42")
        storage.execute_rows(f"CREATE VIEW leak AS SELECT * FROM read_text('{secret}')")
    with agent_within(path) as asking:
        calls = [("query", {"sql": f"FROM {name}"}) for name in ("leak", "shown()", "leaked()")]
        calls += [(tool, {"table": "leak"}) for tool in ("sample", "summarize")]
        for result in asking.together(calls):
            assert "sesame" not in message(result)
        assert found(asking.call("query", sql="FROM t"))["rows"] == [[1]]
        described = asking.call("describe_table", table="leak")
        assert "sesame" not in str(described.content)


@pytest.mark.skipif(os.name == "nt", reason="environment variables of POSIX")
def test_no_variable_of_the_server_is_told(database: Path) -> None:
    with agent(database, API_SECRET="sesame") as asking:
        result = asking.call("query", sql="SELECT getenv('API_SECRET')")
        assert "sesame" not in message(result)


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("CREATE TABLE x AS SELECT 1", "with WITH for the parts"),
        ("EXPLAIN SELECT 1", "Run the query."),
        ("SELECT ?", "Write the values in the SQL"),
        ("SELECT $1 + $2", "Write the values in the SQL"),
        ("SELECT " + "+".join(["1"] * 1500), "with fewer levels"),
        ("SELECT no_such_function(1)", "DuckDB itself has no function of this name."),
        ("SELECT CAST(1 AS no_such_type)", "DuckDB has no type of this name."),
    ],
)
def test_a_refusal_advises_only_what_an_agent_can_do(asking: Agent, sql: str, advice: str) -> None:
    said = asking.refusal("query", sql=sql)
    assert advice in said
    assert "owner of the engine" not in said
    assert '"SET' not in said


@pytest.mark.skipif(duckdb.__version__.startswith("1."), reason="takes arrows in lambdas")
def test_lambdas_are_advised_that_need_no_setting(asking: Agent) -> None:
    said = asking.refusal("query", sql="SELECT list_transform([1], x -> x + 1)")
    assert "Write lambda x: x + 1" in said
    assert "SET" not in said


def test_a_view_is_looked_at_with_tools_that_there_are(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE VIEW v AS SELECT 1 AS a")
    with agent_within(path) as agent:
        said = agent.refusal("event_breakdown", table="v")
    assert "query, sample and summarize can look at it." in said
    assert "()" not in said
