"""In a sandbox, SQL reaches nothing but the tables of its own database, and not for long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from mixpanel_data import (
    DatabaseReadOnlyError,
    QueryError,
    QueryTimeoutError,
    Sandbox,
    SandboxError,
    StorageEngine,
)
from tests.conftest import EVENTS, PROFILES, make_event, make_events, make_profiles

EXPORT = Path(__file__).parents[2] / "examples" / "events.jsonl.gz"

SANDBOXES: dict[str, Callable[[Path], StorageEngine]] = {
    "file": lambda path: StorageEngine(path, sandbox=True),
    "ephemeral": lambda path: StorageEngine.ephemeral(sandbox=True),
    "memory": lambda path: StorageEngine.memory(sandbox=True),
}


@pytest.fixture(params=SANDBOXES)
def anywhere(request: pytest.FixtureRequest, path: Path) -> Iterator[StorageEngine]:
    """A sandbox over each kind of database in turn."""
    with SANDBOXES[request.param](path) as engine:
        yield engine


@pytest.fixture
def storage(path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path, sandbox=True) as engine:
        engine.create_events_table("events", make_events(3), EVENTS)
        yield engine


# {secret} is a file of somebody else, {db} the database, {new} a file that does not exist.
BYPASSES = {
    "files": """
        COPY events TO '{new}'
        COPY events TO '{new}' (FORMAT parquet)
        COPY (SELECT 1) TO '/dev/stdout'
        COPY events FROM '{secret}'
        COPY events TO '{db}' (USE_TMP_FILE false)
        COPY events TO '{db}.wal' (USE_TMP_FILE false)
        COPY events TO '{db}.tmp/new.csv'
        COPY (PIVOT events ON event_name) TO '{db}' (USE_TMP_FILE false)
        FROM '{secret}'
        FROM "{secret}"
        FROM read_csv('{secret}')
        FROM read_text('{secret}')
        FROM read_blob('{secret}')
        FROM read_blob('{db}')
        FROM read_text('{db}.tmp/../secret.csv')
        FROM read_json('{secret}')
        FROM read_ndjson_objects('{secret}')
        FROM read_parquet('{secret}')
        FROM parquet_metadata('{secret}')
        FROM sniff_csv('{secret}')
        FROM read_duckdb('{db}')
        FROM glob('/*')
        FROM read_text('file://{secret}')
        SELECT (SELECT content FROM read_text('{secret}'))
        CREATE VIEW spy AS FROM read_csv('{secret}')
        CREATE TEMP VIEW spy AS FROM '{secret}'
        CREATE MACRO spy() AS TABLE FROM read_csv('{secret}')
        CREATE MACRO spy(file) AS TABLE FROM read_csv(file)
        CREATE TABLE spy AS FROM read_csv('{secret}')
        INSERT INTO events FROM read_csv('{secret}')
        EXPORT DATABASE '{new}'
        IMPORT DATABASE '{new}'
        PRAGMA import_database('{new}')
    """,
    "attach": """
        ATTACH '{new}'
        ATTACH '{new}' AS other (TYPE duckdb)
        ATTACH '{db}' AS other
        ATTACH ':memory:' AS other
        ATTACH 'https://example.com/a.db'
        ATTACH 'postgres:dbname=a' AS other
        DETACH events
        COPY FROM DATABASE events TO memory
        USE memory
    """,
    "network": """
        FROM 'https://example.com/a.csv'
        FROM read_csv('https://example.com/a.csv')
        FROM read_text('s3://bucket/a')
        COPY events TO 's3://bucket/a.csv'
    """,
    "extensions": """
        INSTALL httpfs
        FORCE INSTALL httpfs FROM community
        LOAD httpfs
        LOAD '{new}'
        UPDATE EXTENSIONS
        FROM duckdb_extensions()
    """,
    "settings": """
        SET threads = 64
        SET GLOBAL memory_limit = '100GB'
        SET SESSION enable_progress_bar = true
        SET enable_external_access = true
        SET lock_configuration = false
        SET allowed_directories = ['/']
        SET allowed_paths = ['{secret}']
        SET temp_directory = '/'
        SET python_enable_replacements = true
        SET VARIABLE a = 1
        SET schema = 'main'
        RESET threads
        RESET lock_configuration
        PRAGMA threads = 64
        PRAGMA lock_configuration = false
        PRAGMA enable_profiling
        PRAGMA profiling_output = '{new}'
        PRAGMA enable_verification
        PRAGMA disable_optimizer
        PRAGMA disable_checkpoint_on_shutdown
        CALL enable_logging(storage = 'file', storage_path = '{new}')
        FROM enable_logging(storage = 'file', storage_path = '{new}')
        FROM enable_logging()
        FROM disable_logging()
        FROM truncate_duckdb_logs()
        SELECT write_log('planted')
        CALL force_checkpoint()
        CHECKPOINT
        VACUUM
        BEGIN TRANSACTION
    """,
    "environment": """
        SELECT getenv('HOME')
        SELECT "getenv"('HOME')
        FROM duckdb_settings()
        FROM duckdb_logs()
        FROM duckdb_temporary_files()
    """,
    "secrets": """
        CREATE SECRET s (TYPE http)
        CREATE OR REPLACE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
        CREATE PERSISTENT SECRET s (TYPE http)
        CREATE TEMPORARY SECRET s (TYPE http)
        FROM duckdb_secrets()
        SELECT which_secret('s3://a', 's3')
        FROM which_secret('s3://a', 's3')
    """,
    "queries in texts": """
        FROM query('FROM read_csv(''{secret}'')')
        FROM query('FROM enable_' || 'logging()')
        FROM query_table('{secret}')
        FROM query_table(['{secret}'])
        FROM json_execute_serialized_sql(json_serialize_sql('FROM events'))
        PREPARE spy AS COPY events TO '{new}'
        PREPARE spy AS SELECT 1
        EXECUTE spy
    """,
    "several statements": """
        SELECT 1; COPY events TO '{new}'
        SELECT 1; SELECT 2
        SELECT 1;; SET threads = 64;
        ;
        -- nothing
    """,
    "comments": """
        /* SELECT 1 */ COPY events TO '{new}'
        COPY/**/events/**/TO/**/'{new}'
        SE/**/T threads = 64
        FROM query/* */('SELECT 1')
        FROM query /* /* nested */ ( */ ('SELECT 1')
        FROM /* ' */ query ('SELECT 1') /* ' */
        FROM "query"('SELECT 1')
        FROM QUERY('SELECT 1')
        FROM system.main.query('SELECT 1')
        FROM system . main . "Query" ('SELECT 1')
        SELECT $$ ' $$, * FROM query('SELECT 1') t(a) WHERE '$$' <> ''
        SELECT E'\\'', * FROM query('SELECT 1') t(a) WHERE a <> E'\\''
        CREATE/**/SECRET s (TYPE http)
    """,
    "explained": """
        EXPLAIN ANALYZE COPY events TO '{db}' (USE_TMP_FILE false)
        EXPLAIN (ANALYZE) COPY events TO '{db}' (USE_TMP_FILE false)
        EXPLAIN (ANALYZE, FORMAT json) COPY events TO '{db}' (USE_TMP_FILE false)
        EXPLAIN (FORMAT '); SELECT 1 --') COPY events TO '{db}' (USE_TMP_FILE false)
        EXPLAIN /* ( */ ANALYZE /* ) */ COPY events TO '{db}' (USE_TMP_FILE false)
        EXPLAIN EXPLAIN ANALYZE COPY events TO '{new}'
        EXPLAIN ANALYZE FROM enable_logging()
        EXPLAIN
    """,
    "statements within statements": """
        WITH a AS (COPY events TO '{db}' (USE_TMP_FILE false)) SELECT 1
        WITH a AS (DELETE FROM events RETURNING *) SELECT * FROM a
        WITH a AS (WITH b AS (SELECT 1) DELETE FROM events RETURNING *) SELECT * FROM a
        WITH a AS MATERIALIZED (COPY (SELECT 1) TO '{db}.wal' (USE_TMP_FILE false)) SELECT 1
        SELECT * FROM (WITH a AS (UPDATE events SET event_name = '' RETURNING *) FROM a)
        CREATE MACRO spy() AS TABLE WITH a AS (COPY events TO '{db}') SELECT 1
        EXPLAIN ANALYZE WITH a AS (DELETE FROM events RETURNING *) FROM a
    """,
    "look-alikes": """
        FROM query\u00a0('SELECT 1')
        FROM\u2003query\u2003('SELECT 1')
        FROM query\u200b('SELECT 1')
        FROM\u3000query\ufeff('SELECT 1')
        COPY\u00a0events\u00a0TO\u00a0'{new}'
        SELECT $\u00a0$, * FROM query('SELECT 1') --$\u00a0$
        FROM U&"qu\\0065ry"('SELECT 1')
        FROM \uff51uery('SELECT 1')
        FROM read\u200b_text('{secret}')
        \uff33\uff25\uff34 threads = 64
    """,
    "memory addresses": """
        FROM arrow_scan(1::POINTER, 2::POINTER, 3::POINTER)
        FROM arrow_scan_dumb(1::POINTER, 2::POINTER, 3::POINTER)
        FROM pandas_scan(1::POINTER)
        FROM python_map_function(1::POINTER)
        FROM seq_scan(1)
    """,
}
LISTED = [
    pytest.param(line.strip(), id=f"{group}: {line.strip()}".encode("unicode_escape").decode())
    for group, lines in BYPASSES.items()
    for line in lines.split("\n")
    if line.strip()
]


@dataclass(frozen=True)
class Attacked:
    """A sandbox, and the files an attack is about."""

    storage: StorageEngine
    db: Path
    secret: Path

    @property
    def files(self) -> dict[str, bytes]:
        """What is in the folder; DuckDB itself writes the log."""
        files = self.db.parent.iterdir()
        return {file.name: file.read_bytes() for file in files if file.suffix != ".wal"}


@pytest.fixture(scope="module", params=["writable", "read-only"])
def attacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attacked]:
    db = tmp_path_factory.mktemp("attacked") / "events.db"
    secret = db.with_name("secret.csv")
    secret.write_text("a,b\ntop,secret\n")
    with StorageEngine(db) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
    with StorageEngine(db, read_only=request.param == "read-only", sandbox=True) as storage:
        yield Attacked(storage, db, secret)


@pytest.mark.parametrize("attempt", LISTED)
def test_a_bypass_is_refused_and_changes_nothing(attempt: str, attacked: Attacked) -> None:
    storage, files = attacked.storage, attacked.files
    sql = attempt.format(secret=attacked.secret, db=attacked.db, new=attacked.db.with_name("new"))
    for run in (storage.execute_rows, storage.execute_df, storage.execute_scalar, storage.execute):
        with pytest.raises(QueryError):
            run(sql)
    with storage.engine.connect() as connection, pytest.raises((QueryError, DBAPIError)):
        connection.exec_driver_sql(sql)
    assert attacked.files == files
    assert storage.execute_scalar("SELECT count(*) FROM events") == 3


def test_a_refusal_says_what_is_refused(storage: StorageEngine) -> None:
    with pytest.raises(SandboxError, match="refuses COPY statements") as caught:
        storage.execute_rows("COPY events TO 'x.csv'")
    assert caught.value.details == {"query": "COPY events TO 'x.csv'", "refused": "COPY statements"}
    with pytest.raises(SandboxError, match=r"the function read_text\(\)"):
        storage.execute_rows("FROM read_text('x')")
    with pytest.raises(SandboxError, match="CREATE SECRET"):
        storage.execute_rows("CREATE SECRET s (TYPE http)")
    with pytest.raises(SandboxError, match="one statement at a time"):
        storage.execute_rows("SELECT 1; SELECT 2")


def test_a_variable_of_the_caller_answers_no_query(storage: StorageEngine) -> None:
    planted = pd.DataFrame({"a": [1]})
    with pytest.raises(QueryError, match="planted"):
        storage.execute_rows("SELECT * FROM planted")
    assert len(planted) == 1


def test_the_connection_of_duckdb_itself_is_not_given_away(anywhere: StorageEngine) -> None:
    with pytest.raises(SandboxError, match="DuckDB's own connection"):
        _ = anywhere.connection


# What works


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
        "SUMMARIZE events",
        "SHOW TABLES",
        "FROM information_schema.tables",
        "FROM duckdb_tables()",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE SELECT count(*) FROM events",
        "EXPLAIN (FORMAT json) SELECT 1",
        "PIVOT events ON event_name IN ('Page View') USING count(*)",
        "SELECT count(*) FROM events AS e ASOF JOIN events AS f ON e.event_time >= f.event_time",
        "SELECT 'Zürich', '東京', now(), random(), uuid()",
        "CREATE TABLE own AS SELECT 1 AS a",
        "CREATE OR REPLACE TEMP VIEW own AS FROM events",
        "CREATE MACRO twice(a) AS 2 * a",
        "INSERT INTO events FROM events LIMIT 0",
        "UPDATE events SET event_name = 'x'",
        "ALTER TABLE events ADD COLUMN note VARCHAR",
    ],
)
def test_ordinary_sql_runs(sql: str, storage: StorageEngine) -> None:
    assert isinstance(storage.execute_rows(sql), list)


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


def test_a_relation_has_its_rows_and_can_be_worked_with(storage: StorageEngine) -> None:
    relation = storage.execute("SELECT * FROM range($1) AS t(n)", [10])
    assert relation.filter("n > 7").order("n").fetchall() == [(8,), (9,)]


def test_models_and_sessions_work(storage: StorageEngine) -> None:
    event = storage.model("events")
    with storage.session() as session:
        session.add(event(**make_event(99)))
        session.commit()
        assert len(session.scalars(select(event)).all()) == 4


def test_many_rows_are_written_by_one_statement(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE own (a INTEGER)")
    with storage.engine.begin() as connection:
        numbers = [{"a": number} for number in range(100)]
        connection.execute(text("INSERT INTO own VALUES (:a)"), numbers)
        with pytest.raises(SandboxError):
            connection.execute(text("COPY own TO :a"), numbers)
    assert storage.execute_scalar("SELECT sum(a) FROM own") == 4950


def test_a_sandbox_may_be_only_for_reading_while_the_engine_writes(path: Path) -> None:
    with StorageEngine(path, sandbox=Sandbox(select_only=True)) as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
        for sql in (
            "DELETE FROM events",
            "WITH a AS (SELECT 1) INSERT INTO events FROM events",
            "EXPLAIN ANALYZE DELETE FROM events",
            "CREATE TEMP TABLE a AS SELECT 1",
            "DROP TABLE events",
        ):
            with pytest.raises(SandboxError):
                storage.execute_rows(sql)
        assert storage.execute_scalar("SELECT count(*) FROM events") == 3


def test_a_file_opened_to_be_read_is_not_written_by_the_engine(path: Path) -> None:
    StorageEngine(path).close()
    with StorageEngine.open_existing(path, read_only=True, sandbox=True) as storage:
        with pytest.raises(QueryError):
            storage.execute_rows("CREATE TABLE own (a INTEGER)")
        with pytest.raises(DatabaseReadOnlyError):
            storage.create_events_table("events", make_events(3), EVENTS)


def test_an_older_file_is_upgraded_in_a_sandbox(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        recipe = Path(__file__).parents[1] / "databases" / "original.sql"
        connection.execute(recipe.read_text())
    with StorageEngine(path, sandbox=True, migrate=True) as storage:
        assert storage.schema_revision is not None


# Limits


@pytest.mark.parametrize("name", ["execute_rows", "execute_df", "execute_scalar", "execute"])
def test_a_statement_that_takes_too_long_is_interrupted(name: str) -> None:
    sql = "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(10000000) AS b(i)"
    with StorageEngine.memory(sandbox=Sandbox(timeout=1.5)) as storage:
        with pytest.raises(QueryTimeoutError, match=r"after 1.5 seconds") as caught:
            getattr(storage, name)(sql)
        assert caught.value.details == {"query": sql, "seconds": 1.5}
        assert storage.execute_scalar("SELECT 42") == 42
        assert not [t for t in threading.enumerate() if t.name == "mixpanel_data-timeout"]


def test_a_statement_in_a_session_is_interrupted_too() -> None:
    sql = "SELECT a.i FROM range(10000000) AS a(i), range(10000000) AS b(i) WHERE hash(b.i) = 0"
    with (
        StorageEngine.memory(sandbox=Sandbox(timeout=0.05)) as storage,
        storage.session() as session,
        pytest.raises(QueryTimeoutError),
    ):
        session.execute(text(sql)).all()


def test_a_load_may_take_longer_than_a_statement() -> None:
    waited = threading.Event()

    def slowly() -> Iterator[dict[str, Any]]:
        for event in make_events(5000):
            waited.wait(0.0001)
            yield event

    with StorageEngine.memory(sandbox=Sandbox(timeout=0.001)) as storage:
        assert storage.create_events_table("events", slowly(), EVENTS) == 5000


def test_without_a_timeout_no_statement_is_watched() -> None:
    with StorageEngine.memory(sandbox=Sandbox(timeout=None)) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM range(100000)") == 100_000


def test_memory_threads_and_temporary_files_are_limited(path: Path) -> None:
    limits = Sandbox(memory_limit="50MiB", threads=1, max_temp_size="1MiB")
    with StorageEngine(path, sandbox=limits) as storage:
        settings = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert storage.execute_rows(settings) == [("50.0 MiB", 1)]
        with pytest.raises(QueryError, match=r"(?i)memory|max_temp_directory_size"):
            storage.execute_rows("SELECT list(hash(i)::VARCHAR) FROM range(20000000) AS t(i)")
        assert storage.execute_scalar("SELECT 42") == 42


def test_settings_that_are_the_sandbox_s_are_refused(path: Path) -> None:
    config = {"enable_external_access": True, "threads": 8, "preserve_insertion_order": False}
    with pytest.raises(ValueError, match="sandbox sets enable_external_access, threads"):
        StorageEngine(path, config=config, sandbox=True)
    assert list(path.parent.iterdir()) == []
    with StorageEngine(path, config={"preserve_insertion_order": False}, sandbox=True) as storage:
        assert storage.execute_scalar("SELECT current_setting('preserve_insertion_order')") is False
