"""SQL that nobody has read sees the tables of a lake, and nothing of its catalog or its files."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from mixpanel_data import (
    CatalogueUnavailableError,
    Lake,
    OutOfMemoryError,
    QueryError,
    QueryTimeoutError,
    Sandbox,
    SandboxError,
    StorageEngine,
)
from tests.cli.mcp.agent import agent
from tests.database.sandbox.workers.conftest import workers_of
from tests.lake.lakes import lake_in, new_database, s3_lake, server
from tests.lake.servers import PASSWORD
from tests.records import EVENTS, make_events

pytestmark = pytest.mark.lake

COUNT = "SELECT count(*) FROM jan"

END_SESSIONS = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'
"""

#: What would tell, read or change something else than the tables.
REFUSED = [
    "FROM __ducklake_metadata_lake.ducklake_table",
    "FROM __ducklake_metadata_lake.public.ducklake_data_file",
    "FROM lake.ducklake_data_file",
    "DROP SCHEMA __ducklake_metadata_lake",
    "FROM ducklake_snapshots('lake')",
    "FROM lake.snapshots()",
    "FROM ducklake_options('lake')",
    "FROM ducklake_settings('lake')",
    "FROM ducklake_table_info('lake')",
    "FROM ducklake_list_files('lake', 'jan')",
    "FROM ducklake_table_changes('lake', 'main', 'jan', 0, 9)",
    "FROM ducklake_scan()",
    "CALL ducklake_expire_snapshots('lake')",
    "FROM postgres_query('__ducklake_metadata_lake', 'SELECT 1')",
    "CALL postgres_execute('__ducklake_metadata_lake', 'SELECT 1')",
    "FROM postgres_scan('host=127.0.0.1', 'public', 'ducklake_table')",
    "FROM duckdb_secrets()",
    "FROM duckdb_databases()",
    "FROM duckdb_databases",
    "FROM duckdb_settings()",
    "PRAGMA database_list",
    "SELECT current_setting('allowed_directories')",
    "SELECT getenv('PGPASSWORD')",
    "FROM jan AT (VERSION => 1)",
    "FROM '{folder}/main/jan/**/*.parquet'",
    "FROM read_parquet('{folder}/main/jan/**/*.parquet')",
    "FROM parquet_metadata('{folder}/main/jan/**/*.parquet')",
    "FROM glob('{folder}/**')",
    "COPY jan TO '{folder}/stolen.parquet'",
    "ATTACH '{folder}/other.db'",
    "DELETE FROM jan",
    "CREATE TABLE other (n INT)",
    "USE system",
]

#: What may be asked about the tables.
ANSWERED = ["SHOW TABLES", "SHOW ALL TABLES", "SHOW DATABASES", "DESCRIBE jan", "SUMMARIZE jan"] + [
    f"FROM {name}"
    for name in (
        *("jan", "lake.main.jan", "information_schema.tables", "information_schema.columns"),
        *("duckdb_tables()", "duckdb_columns()", "duckdb_schemas()", "duckdb_views()"),
        *("pg_catalog.pg_class", "pg_catalog.pg_attribute", "duckdb_constraints()"),
    )
]


@pytest.fixture
def jan(lake: Lake) -> Lake:
    """A lake with a table."""
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    return lake


@pytest.mark.parametrize("worker", [False, True], ids=["here", "in a worker"])
def test_sql_sees_the_tables_and_nothing_else(jan: Lake, worker: bool) -> None:
    with StorageEngine(jan, read_only=True, sandbox=Sandbox(worker=worker)) as storage:
        for sql in REFUSED:
            with pytest.raises(SandboxError):
                storage.execute_rows(sql.replace("{folder}", jan.data_path))
        for sql in ANSWERED:
            answer = str(storage.execute_rows(sql))
            assert answer
            for hidden in (PASSWORD, jan.data_path, jan.database, "ducklake_data_file"):
                assert hidden not in answer
        assert storage.execute_scalar(COUNT) == 10


@pytest.mark.parametrize("column", ["filename", "file_index", "file_row_number", "snapshot_id"])
def test_columns_that_tell_of_files_are_refused_unless_they_are_the_tables_own(
    jan: Lake, column: str
) -> None:
    with StorageEngine(jan) as storage:
        storage.execute_rows(f"CREATE TABLE own AS SELECT 'mine' AS {column}")
        storage.execute_rows("CREATE VIEW days AS SELECT event_time::DATE AS day FROM jan")
    with StorageEngine(jan, read_only=True, sandbox=True) as storage:
        for sql in (
            f"SELECT {column} FROM jan",
            f"SELECT j.{column.upper()} FROM jan j",
            f'SELECT lake.main.jan."{column}" FROM lake.main.jan',
            f"SELECT 1 FROM jan ORDER BY {column}",
            f"SELECT * FROM jan JOIN jan other USING ({column})",
            f"SELECT * FROM (SELECT {column} AS c FROM jan)",
            f"SELECT max({column}) FROM jan GROUP BY ALL",
            f"WITH a AS (SELECT {column} FROM jan) FROM a",
            f"SELECT jan.{column}, own.{column} FROM jan, own",
            f"SELECT (SELECT min({column}) FROM jan) FROM own",
            f"SELECT {column} FROM days",
        ):
            with pytest.raises(SandboxError):
                storage.execute_rows(sql)
        assert storage.execute_rows(f"SELECT {column} FROM own") == [("mine",)]
        for sql in (
            f"SELECT COLUMNS('{column}') FROM jan",
            f"SELECT struct_extract(jan, '{column}') FROM jan",
            f"SELECT * REPLACE (1 AS {column}) FROM jan",
        ):
            with pytest.raises((SandboxError, QueryError)):
                storage.execute_rows(sql)
        assert storage.execute_scalar(COUNT) == 10


def test_the_methods_of_the_engine_still_write(lake: Lake) -> None:
    with StorageEngine(lake, sandbox=True) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
        assert storage.append_events_table("jan", make_events(12), EVENTS) == 2
        assert storage.create_table_as("days", "SELECT event_time::DATE AS day FROM jan") == 12
        assert storage.erase("user-1") == {"jan": 2}
        assert storage.maintain().merged_files > 0
        with storage.session() as session:
            assert session.query(storage.model("jan")).count() == 10
        with pytest.raises(SandboxError):
            _ = storage.connection


def test_a_sandbox_over_files_in_s3_reads_them() -> None:
    database = new_database()
    lake = s3_lake(database)
    with StorageEngine(lake, sandbox=True) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    with StorageEngine(lake, read_only=True, sandbox=Sandbox(worker=True)) as storage:
        assert storage.execute_scalar(COUNT) == 10
        with pytest.raises(SandboxError):
            storage.execute_rows(f"FROM read_parquet('{lake.data_path}/**/*.parquet')")
    server().sql(f"DROP DATABASE {database} WITH (FORCE)")


def test_memory_and_time_are_limited_from_outside(jan: Lake) -> None:
    limits = Sandbox(worker=True, memory_limit="300MB", timeout=5)
    with StorageEngine(jan, read_only=True, sandbox=limits) as storage:
        with pytest.raises(OutOfMemoryError):
            storage.execute_rows("SELECT repeat('a', 2000000000)")
        with pytest.raises(QueryTimeoutError):
            storage.execute_rows(
                "SELECT sum(a.n * b.n) FROM range(9999999) a(n), range(9999999) b(n)"
            )
        assert storage.execute_scalar(COUNT) == 10
    assert workers_of() == []


def test_a_worker_reads_the_snapshot_of_its_engine(jan: Lake) -> None:
    with StorageEngine(jan) as storage:
        before = storage.snapshots()[-1].id
        storage.append_events_table("jan", make_events(15), EVENTS)
    old = lake_in(jan.database, jan.data_path, as_of=before)
    with StorageEngine(old, sandbox=Sandbox(worker=True)) as storage:
        assert storage.execute_scalar(COUNT) == 10


@pytest.mark.parametrize("password", [PASSWORD, None], ids=["its own", "of the environment"])
def test_no_secret_is_in_the_command_or_the_environment_of_a_worker(
    jan: Lake, password: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if password is None:
        monkeypatch.setenv("PGPASSWORD", PASSWORD)
    lake = lake_in(jan.database, jan.data_path, password=password)
    with StorageEngine(lake, read_only=True, sandbox=Sandbox(worker=True)) as storage:
        assert storage.execute_scalar(COUNT) == 10
        (pid,) = workers_of()
        for name in ("cmdline", "environ"):
            assert PASSWORD.encode() not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_a_worker_whose_catalog_is_gone_says_so_without_secrets(jan: Lake) -> None:
    with StorageEngine(jan, read_only=True, sandbox=Sandbox(worker=True)) as storage:
        server().sql(f"ALTER DATABASE {jan.database} ALLOW_CONNECTIONS false")
        server().sql(END_SESSIONS.format(database=jan.database))
        with pytest.raises(CatalogueUnavailableError) as caught:
            storage.execute_rows(COUNT)
    server().sql(f"ALTER DATABASE {jan.database} ALLOW_CONNECTIONS true")
    assert (caught.value.host, caught.value.database) == ("127.0.0.1", jan.database)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_an_agent_asks_a_lake_by_its_url(jan: Lake, tmp_path: Path) -> None:
    url = jan.url.render_as_string()
    with agent(url, folder=tmp_path, PGPASSWORD=PASSWORD) as client:
        assert client.rows(COUNT) == [[10]]
        assert client.ask("list_tables")["rows"][0][0] == "jan"
        for sql in ("FROM ducklake_snapshots('lake')", f"FROM glob('{jan.data_path}/**')"):
            assert "refuses" in client.refusal("query", sql=sql)
        assert PASSWORD not in client.log()


def test_an_agent_is_told_that_the_catalog_does_not_answer(jan: Lake, tmp_path: Path) -> None:
    missing = lake_in("missing", jan.data_path).url.render_as_string()
    with agent(missing, folder=tmp_path, PGPASSWORD=PASSWORD) as client:
        said = client.refusal("query", sql=COUNT)
    assert "missing" in said
    assert PASSWORD not in said
