"""Untrusted SQL that must be refused: every bypass raises, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from mixpanel_data import (
    DatabaseReadOnlyError,
    QueryError,
    Sandbox,
    SandboxError,
    StorageEngine,
)
from tests.records import EVENTS, make_event, make_events

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
        EXPLAIN SELECT 1
        EXPLAIN ANALYZE SELECT 1
        EXPLAIN (FORMAT json) SELECT 1
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
    "statements within statements with hostile names": """
        WITH ")" AS (DELETE FROM events RETURNING *) SELECT * FROM ")"
        WITH "(" AS (DELETE FROM events RETURNING *) SELECT * FROM "("
        WITH "a"")" AS (UPDATE events SET event_name = '' RETURNING *) SELECT * FROM "a"")"
        WITH "'" AS (INSERT INTO events FROM events RETURNING *) SELECT * FROM "'"
        WITH "--" AS (DELETE FROM events RETURNING *) SELECT * FROM "--"
        WITH "/*" AS (DELETE FROM events RETURNING *) SELECT * FROM "/*"
        WITH "$$" AS (DELETE FROM events RETURNING *) SELECT * FROM "$$"
        WITH "on" AS (DELETE FROM events RETURNING *) SELECT * FROM "on"
        SELECT 1 FROM (WITH ")" AS (WITH ")" AS (DELETE FROM events RETURNING *) FROM ")") FROM ")")
        SELECT (WITH ")" AS (DELETE FROM events RETURNING 1 AS a) SELECT max(a) FROM ")")
        WITH a AS (MERGE INTO events USING b ON false WHEN MATCHED THEN DELETE RETURNING *) FROM a
        WITH a AS (TRUNCATE events) SELECT 1
        WITH a AS (CREATE TABLE own AS SELECT 1) SELECT 1
        WITH RECURSIVE a AS (DELETE FROM events RETURNING 1 UNION ALL SELECT 1) FROM a
        SELECT * FROM events WHERE 1 IN (WITH a AS (DELETE FROM events RETURNING 1) FROM a)
        SELECT 1 ORDER BY (WITH a AS (DELETE FROM events RETURNING 1 AS n) SELECT max(n) FROM a)
        SELECT 1 LIMIT (WITH a AS (DELETE FROM events RETURNING 1 AS n) SELECT max(n) FROM a)
    """,
    "writing": """
        INSERT INTO events FROM events
        INSERT INTO events FROM events RETURNING *
        UPDATE events SET event_name = 'x'
        DELETE FROM events
        TRUNCATE events
        MERGE INTO events USING events AS e ON false WHEN MATCHED THEN DELETE
        CREATE TABLE own AS SELECT 1 AS a
        CREATE OR REPLACE TEMP VIEW own AS FROM events
        CREATE TEMP TABLE own (a INTEGER)
        CREATE MACRO twice(a) AS 2 * a
        CREATE SEQUENCE own
        CREATE TYPE own AS ENUM ('a')
        CREATE SCHEMA own
        CREATE INDEX own ON events (event_name)
        ALTER TABLE events ADD COLUMN note VARCHAR
        ALTER DATABASE events SET ALIAS TO other
        DROP TABLE events
        COMMENT ON TABLE events IS 'x'
        SELECT * INTO own FROM events
        SELECT nextval('numbers')
        SELECT currval('numbers')
        SELECT setseed(0.5)
        SELECT * FROM range(3) WHERE nextval('numbers') > 0
        PIVOT events ON event_name
        CALL duckdb_tables()
    """,
    "the own file by functions that look harmless": """
        SELECT json_serialize_plan('FROM read_csv(''{db}'')')
        SELECT json_deserialize_sql(json_serialize_sql('FROM read_csv(''{db}'')'))
        FROM '{db}'
        DESCRIBE '{db}'
        SHOW '{db}'
        SUMMARIZE '{db}'
        SUMMARIZE FROM '{db}'
        FROM (DESCRIBE '{db}')
        WITH a AS (FROM '{db}') FROM a
        SELECT * FROM events WHERE EXISTS (FROM '{db}')
        SELECT max(1) OVER (ORDER BY (SELECT 1 FROM '{db}')) FROM events
        SELECT count(*) FILTER (WHERE EXISTS (FROM '{db}')) FROM events
        SELECT 1 FROM events QUALIFY (SELECT count(*) FROM '{db}') > 0
        SELECT * FROM events JOIN events AS e ON EXISTS (FROM '{db}')
        SELECT * REPLACE ((SELECT count(*) FROM '{db}') AS event_name) FROM events
        SELECT list_transform([1], lambda x: (SELECT count(*) FROM '{db}'))
        PIVOT '{db}' ON a IN (1)
        FROM "{db}" TABLESAMPLE 10%
        FROM main."{db}"
        FROM histogram('{db}', 'a')
        FROM histogram_values('{db}', 'a')
        FROM pragma_storage_info('{db}')
        FROM pragma_table_info('{db}')
        FROM pragma_show('{db}')
        FROM duckdb_table_sample('{db}')
        SELECT * FROM events UNION ALL FROM '{db}'
        VALUES ((SELECT count(*) FROM '{db}'))
        SELECT ARRAY(FROM '{db}')
    """,
    "names of CTEs where they are not seen": """
        SELECT 1 FROM (WITH "{db}" AS (SELECT 1) SELECT 1) AS a, "{db}"
        WITH a AS (FROM "{db}"), "{db}" AS (SELECT 1) FROM a
        WITH "{db}" AS (FROM "{db}") FROM "{db}"
        WITH "{db}" AS (SELECT 1) FROM main."{db}"
        WITH "{db}" AS (SELECT 1) FROM (DESCRIBE "{db}")
        SELECT (WITH "{db}" AS (SELECT 1) SELECT 1), (SELECT count(*) FROM "{db}")
    """,
    "what the file has no business with": """
        SELECT current_setting('temp_directory')
        SELECT current_setting('secret_directory')
        SELECT current_setting('http' || '_proxy')
        SELECT current_setting(setting) FROM (VALUES ('threads')) AS t(setting)
        SELECT getvariable('a')
        FROM duckdb_databases()
        FROM duckdb_databases
        FROM pragma_database_list
        FROM pg_catalog.pg_settings
        FROM pg_catalog.pg_prepared_statements
        FROM duckdb_prepared_statements()
        FROM duckdb_variables()
        FROM duckdb_memory()
        SHOW VARIABLES
        SHOW threads
        FROM other.main.events
        FROM events AT (VERSION => 1)
        SELECT list_aggregate([1], 'combine_aggr')
        SELECT list_aggregate([1], event_name) FROM events
        SELECT sleep_ms(1)
        FROM a.b.c.d
    """,
    "what ends the process": """
        SELECT repeat('[', 100000)::VARIANT
        SELECT TRY_CAST(repeat('[', 100000) AS VARIANT)
        SELECT [1]::VARIANT[]
        SELECT NULL::STRUCT(a VARIANT)
        SELECT json_transform('[1]', repeat('[', 50000))
        SELECT json_transform_strict('[1]', repeat('[', 50000))
        SELECT from_json('[1]', repeat('[', 50000))
        SELECT json_structure(repeat('[', 100000) || repeat(']', 100000))
        SELECT json_contains(repeat('[', 100000) || repeat(']', 100000), '1')
        SELECT json_group_structure(properties) FROM events
        SELECT json_merge_patch(properties, properties) FROM events
        SELECT variant_typeof(1)
        SELECT cast_to_type(repeat('[', 100000), event_name) FROM events
    """,
    "look-alikes": """
        FROM query\u00a0('SELECT 1')
        FROM\u2003query\u2003('SELECT 1')
        FROM query\u200b('SELECT 1')
        FROM\u3000query\ufeff('SELECT 1')
        COPY\u00a0events\u00a0TO\u00a0'{new}'
        FROM U&"qu\\0065ry"('SELECT 1')
        FROM \uff51uery('SELECT 1')
        FROM read\u200b_text('{secret}')
        \uff33\uff25\uff34 threads = 64
    """,
    "memory addresses": """
        SELECT finalize('a'::BLOB)
        SELECT sum(1) EXPORT_STATE
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
        storage.execute_rows("CREATE SEQUENCE numbers")
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
    assert storage.execute_scalar("SELECT last_value FROM duckdb_sequences()") is None


#: What DuckDB 1.5 computes when it only takes a text apart, to see what statements are in it.
EARLY = {
    "PRAGMA": """
        PRAGMA json_execute_serialized_sql(nextval('numbers'))
        PRAGMA json_execute_serialized_sql(error('ran early'))
        PRAGMA nosuch(error('ran early'))
        \u00a0pragma\u2003nosuch(error('ran early'))
        /**/PRAGMA/**/nosuch(error('ran early'))
        SELECT 1; PRAGMA nosuch(error('ran early'))
        PRAGMA nosuch(error('ran early')); SELECT 1
        PRAGMA nosuch(nextval('numbers')) /* INSERT, UPDATE, DELETE, CREATE */
        EXPLAIN PRAGMA nosuch(error('ran early'))
    """,
    "IMPORT": """
        IMPORT DATABASE '{folder}'
        import database '.tmp' -- INSERT
        SELECT 1; IMPORT DATABASE '.tmp'
    """,
}


@pytest.mark.parametrize(
    ("word", "attempt"),
    [(word, line) for word in EARLY for line in EARLY[word].split("\n        ")[1:]],
    ids=ascii,
)
def test_nothing_of_a_refused_statement_runs_before_it_is_refused(
    word: str, attempt: str, attacked: Attacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".tmp"
    folder.mkdir()
    (folder / "schema.sql").write_text("ran early")
    (folder / "load.sql").write_text("")
    sql, storage = attempt.format(folder=folder), attacked.storage
    ways: list[Callable[[str], object]] = [
        *(storage.execute_rows, storage.execute_df, storage.execute_arrow, storage.stream),
        *(storage.execute, storage.explain, lambda sql: storage.export(sql, tmp_path / "x.csv")),
    ]
    for way in ways:
        with pytest.raises(SandboxError, match=f"{word} statements"):
            way(sql)
    with storage.engine.begin() as connection:
        for _ in range(2):  # the second time in a transaction that has begun
            with pytest.raises(SandboxError, match=f"{word} statements"):
                connection.exec_driver_sql(sql)
    assert storage.execute_scalar("SELECT last_value FROM duckdb_sequences()") is None


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("COPY events TO 'x.csv'", "COPY statements"),
        ("CREATE SECRET s (TYPE http)", "CREATE statements"),
        ("EXPLAIN SELECT 1", "EXPLAIN statements"),
        ("FROM read_text('x')", "the function read_text()"),
        ("SELECT 1; SELECT 2", "anything but one statement at a time"),
        ("FROM 'x.csv'", "x.csv, which is no table of the database"),
        ("SELECT 1::VARIANT", "the type VARIANT"),
        ("SHOW VARIABLES", 'SHOW "variables"'),
        ("FROM events AT (VERSION => 1)", "AT_CLAUSE in a BASE_TABLE"),
        ("SELECT current_setting('temp_directory')", "current_setting() of temp_directory"),
        ("SELECT 1\0", "a text with the character NUL"),
        ("SELECT '\ud800'", "a text that UTF-8 cannot express"),
        ("SELECT " + "1" * 100_000, "a text of more than 100,000 bytes"),
        ("SELECT '" + "é" * 50_001 + "'", "a text of more than 100,000 bytes"),
        ("SELECT " + "+".join(["1"] * 900), "more than 200 levels in a statement"),
        ("SELECT " + "(" * 49_000, "brackets of more than 200 levels"),
        ("SELECT 1 " + "/*" * 45_000, "more than 200 comments"),
        ("FROM " + "(" * 49_000, "brackets of more than 200 levels"),
        ("SELECT " + "[" * 300 + "]" * 300, "brackets of more than 200 levels"),
        ("SELECT a" + ".a" * 1000, "more than 200 levels in a statement"),
        ("SELECT " + ",".join(["1"] * 20_001), "more than 20,000 nodes in a statement"),
    ],
    ids=lambda value: ascii(value[:30]),
)
def test_a_refusal_says_what_is_refused(sql: str, refused: str, storage: StorageEngine) -> None:
    with pytest.raises(SandboxError) as caught:
        storage.execute_rows(sql)
    assert refused in caught.value.refused
    assert caught.value.details["refused"] == caught.value.refused
    caught.value.details["query"].encode()


def test_what_cannot_be_parsed_is_an_error_of_the_query(storage: StorageEngine) -> None:
    for sql in ("SELECT 1 FROM (", "SELEC 1", "SELECT 'a", "SELECT ))))"):
        with pytest.raises(QueryError) as caught:
            storage.execute_rows(sql)
        assert not isinstance(caught.value, SandboxError)


def test_ten_thousand_unions_are_refused_before_they_are_planned(storage: StorageEngine) -> None:
    with pytest.raises(SandboxError):
        storage.execute_rows("SELECT 1" + " UNION ALL SELECT 1" * 20_000)
    limits = Sandbox(max_sql_bytes=1_000_000)
    with (
        StorageEngine.memory(sandbox=limits) as other,
        pytest.raises(SandboxError, match="more than"),
    ):
        other.execute_rows("SELECT 1" + " UNION ALL SELECT 1" * 20_000)


def test_longer_texts_can_be_allowed() -> None:
    sql = "SELECT '" + "a" * 200_000 + "'"
    with StorageEngine.memory(sandbox=Sandbox(max_sql_bytes=300_000)) as storage:
        assert storage.execute_scalar(sql) == "a" * 200_000


def test_a_variable_of_the_caller_answers_no_query(storage: StorageEngine) -> None:
    planted = pd.DataFrame({"a": [1]})
    with pytest.raises(SandboxError, match="planted"):
        storage.execute_rows("SELECT * FROM planted")
    assert len(planted) == 1


def test_the_plain_duckdb_connection_is_refused(anywhere: StorageEngine) -> None:
    with pytest.raises(SandboxError, match="DuckDB's own connection"):
        _ = anywhere.connection


def test_sessions_and_statements_of_sqlalchemy_do_not_write(storage: StorageEngine) -> None:
    event = storage.model("events")
    with storage.session() as session:
        session.add(event(**make_event(99)))
        with pytest.raises(SandboxError, match="INSERT"):
            session.commit()
    with storage.engine.begin() as connection:
        for statement in (event.__table__.delete(), event.__table__.update().values(event_name="")):
            with pytest.raises(SandboxError):
                connection.execute(statement)
        with pytest.raises(SandboxError):
            connection.execute(text("DELETE FROM events WHERE event_name = :a"), [{"a": "b"}] * 3)
        assert connection.scalar(select(func.count()).select_from(event)) == 3


def test_a_file_opened_to_be_read_is_not_written_by_the_engine(path: Path) -> None:
    StorageEngine(path).close()
    with (
        StorageEngine.open_existing(path, read_only=True, sandbox=True) as storage,
        pytest.raises(DatabaseReadOnlyError),
    ):
        storage.create_events_table("events", make_events(3), EVENTS)


def test_table_functions_that_take_sql_or_paths_are_refused_with_parameters(
    storage: StorageEngine,
) -> None:
    for sql in ("FROM query($1)", "FROM query_table($1)", "FROM read_text($1)"):
        with pytest.raises(SandboxError):
            storage.execute_rows(sql, ["events"])


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("SELECT coutn(*) FROM events", "Did you mean count"),
        ("FROM evnts", "Did you mean events?"),
        ("SELECT initcap('a')", r"initcap\(\).* DuckDB itself has no function of this name\.$"),
        ("SELECT lenght('a')", "no function of this name. Did you mean length"),
        ("FROM no_such_function(1)", "DuckDB itself has no function of this name"),
        ("SELECT read_text('a')", "what is in the tables"),
        ("SELECT '1'::no_such_type", "DuckDB has no type of this name"),
        ("SELECT CAST(1 AS no_such_type(3))", "DuckDB has no type of this name"),
        ("EXPLAIN SELECT 1", r"has explain\(\)"),
        ("SELECT json_structure(properties) FROM events", r"json_keys\(\)"),
        ("SELECT from_json(properties, '{}') FROM events", "CAST"),
        ("CREATE TABLE a AS SELECT 1", r"create_table_as\(\)"),
        ("FROM pragma_table_info('events')", "DESCRIBE"),
        ("SELECT nextval('numbers')", "what is in the tables"),
    ],
)
def test_a_refusal_says_what_to_do_instead(sql: str, advice: str, storage: StorageEngine) -> None:
    with pytest.raises(SandboxError, match=advice):
        storage.execute_rows(sql)
