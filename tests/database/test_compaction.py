"""A compacted file has everything that the database has, and nothing of what was deleted."""

from __future__ import annotations

import gc
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine, text

from mixpanel_data import (
    CompactionError,
    CompactionResult,
    DatabaseFileError,
    DatabaseInUseError,
    DatabaseLockedError,
    DatabaseMovedError,
    DatabaseReadOnlyError,
    SandboxError,
    StorageClosedError,
    StorageEngine,
    migrate,
)
from mixpanel_data.database import rewriting, unfinished
from tests.database.test_encryption import open_encrypted
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

#: What an application may have in the same file.
OWN = """
CREATE SCHEMA "o.ther"
CREATE TYPE mood AS ENUM ('sad', 'ok')
CREATE SEQUENCE numbers START 5
CREATE SEQUENCE circle MINVALUE -5 MAXVALUE 100 INCREMENT 3 CYCLE
CREATE TABLE z_parent (id INTEGER PRIMARY KEY DEFAULT nextval('numbers'), name VARCHAR UNIQUE, \
twice INTEGER GENERATED ALWAYS AS (2 * id), feeling mood, label VARCHAR COLLATE NOCASE NOT NULL \
DEFAULT 'a''b', CHECK (id < 100))
INSERT INTO z_parent (name) VALUES ('a'), ('b')
CREATE TABLE a_child (parent INTEGER REFERENCES z_parent (id), "a ""b" JSON USING COMPRESSION zstd)
INSERT INTO a_child VALUES (5, '{"a": 1e2, "a": 18446744073709551616}')
CREATE TABLE "o.ther"."or""der" (numbers UNION(i INTEGER, s VARCHAR)[], tags MAP(VARCHAR, INTEGER))
INSERT INTO "o.ther"."or""der" VALUES ([union_value(i := 1)], MAP {'a': 1})
CREATE VIEW seen AS FROM z_parent WHERE id > 5
CREATE VIEW "o.ther".again AS FROM main.seen
CREATE TABLE gone (a INTEGER)
CREATE VIEW broken AS FROM gone
DROP TABLE gone
CREATE MACRO twice(x) AS 2 * x, (x, y) AS 2 * x + y
CREATE MACRO after(n) AS TABLE FROM z_parent WHERE id > n
CREATE MACRO count(x) AS 42
CREATE INDEX by_name ON z_parent (name)
CREATE UNIQUE INDEX by_lower ON z_parent (lower(name))
COMMENT ON TABLE z_parent IS 'of a table'
COMMENT ON COLUMN z_parent.name IS 'of a column'
COMMENT ON VIEW seen IS 'of a view'
COMMENT ON INDEX by_name IS 'of an index'
COMMENT ON SEQUENCE numbers IS 'of a sequence'
COMMENT ON MACRO twice IS 'of a macro'
COMMENT ON TYPE mood IS 'of a type'
SELECT nextval('circle'), nextval('circle')
"""

CONTENT = [
    "SELECT * REPLACE (properties::VARCHAR AS properties) FROM jan ORDER BY rowid",
    "SELECT * REPLACE (properties::VARCHAR AS properties) FROM users ORDER BY rowid",
    "FROM z_parent",
    "FROM a_child ORDER BY ALL",
    'FROM "o.ther"."or""der"',
    'FROM "o.ther".again',
    "FROM after(5)",
    "SELECT twice(21), twice(20, 2)",
    "FROM _metadata ORDER BY ALL",
    "FROM _property_columns ORDER BY ALL",
    "FROM _mixpanel_data_version",
    "SELECT view_name, comment, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
    "SELECT table_name, comment, sql FROM duckdb_tables() ORDER BY ALL",
    "SELECT table_name, column_name, comment FROM duckdb_columns() ORDER BY ALL",
    "SELECT index_name, comment, sql FROM duckdb_indexes() ORDER BY ALL",
    "SELECT sequence_name, increment_by, cycle, comment FROM duckdb_sequences() ORDER BY ALL",
    "SELECT function_name, comment, macro_definition FROM duckdb_functions() "
    "WHERE NOT internal ORDER BY ALL",
    "SELECT type_name, comment, labels FROM duckdb_types() WHERE NOT internal ORDER BY ALL",
]


@pytest.fixture
def file(path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path) as engine:
        engine.create_events_table("jan", make_events(100), EVENTS, property_columns=["$browser"])
        engine.create_profiles_table("users", make_profiles(10), PROFILES, primary_key=False)
        yield engine


def names_in(folder: Path) -> set[str]:
    return {name.name for name in folder.iterdir()} - {"events.db.tmp", "events.db.wal"}


def everything(storage: StorageEngine) -> list[list[tuple[object, ...]]]:
    return [storage.execute_rows(query) for query in CONTENT]


def has_own(storage: StorageEngine) -> None:
    for statement in OWN.strip().splitlines():
        storage.execute_rows(statement)


KINDS: dict[str, Callable[[Path], StorageEngine]] = {
    "file": StorageEngine,
    "ephemeral": lambda path: StorageEngine.ephemeral(),
    "encrypted": open_encrypted,
}


@pytest.mark.parametrize("kind", KINDS)
def test_everything_survives(kind: str, path: Path) -> None:
    with KINDS[kind](path) as storage:
        storage.create_events_table("jan", make_events(500), EVENTS, property_columns=["$browser"])
        storage.create_profiles_table("users", make_profiles(9), PROFILES, primary_key=False)
        has_own(storage)
        storage.erase("user-3")
        before = everything(storage)
        storage.compact()
        assert everything(storage) == before
        migrate.check(storage)
        assert storage.append_events_table("jan", make_events(600), EVENTS) == 150
        assert storage.append_profiles_table("users", make_profiles(9), PROFILES) == 1


def test_an_engine_with_a_sandbox_can_be_compacted(file: StorageEngine, path: Path) -> None:
    has_own(file)
    before = everything(file)
    file.close()
    with StorageEngine(path, sandbox=True) as storage:
        storage.compact()
        with pytest.raises(SandboxError):
            storage.execute_rows("CREATE TABLE a (b INTEGER)")
    with StorageEngine(path) as storage:
        assert everything(storage) == before


def test_constraints_and_sequences_go_on_after_opening_again(
    file: StorageEngine, path: Path
) -> None:
    has_own(file)
    before, last = everything(file), file.execute_scalar("SELECT nextval('circle')")
    file.compact()
    file.close()
    with StorageEngine(path) as storage:
        assert everything(storage) == before
        for statement in (
            "INSERT INTO z_parent (id, name) VALUES (6, 'c')",
            "INSERT INTO z_parent (name) VALUES ('A')",
            "INSERT INTO z_parent (id, name) VALUES (100, 'c')",
            "INSERT INTO a_child VALUES (99, NULL)",
            "DELETE FROM z_parent WHERE id = 5",
        ):
            with pytest.raises(Exception, match="onstraint"):
                storage.execute_rows(statement)
        insert = "INSERT INTO z_parent (name) VALUES ('c') RETURNING id, twice, label"
        assert storage.execute_rows(insert.replace("'c'", "'d'")) == [(8, 16, "a'b")]
        assert storage.execute_scalar("SELECT nextval('circle')") == last + 3


def test_what_was_deleted_is_in_none_of_the_files(path: Path) -> None:
    secret = "5ca1ab1e-0ff1ce"
    folder = path.parent / "alone"
    folder.mkdir()
    with StorageEngine(folder / path.name) as storage:
        events = (
            make_event(n, distinct_id=f"{secret}-{n % 7}", properties={"card": f"{secret}{n}"})
            for n in range(3000)
        )
        storage.create_events_table("jan", events, EVENTS, property_columns=["card"])
        storage.append_events_table("jan", make_events(5000, 5000), EVENTS)
        assert bytes_in(folder, secret)
        storage.erase([f"{secret}-{n}" for n in range(7)])
        storage.compact()
        assert not bytes_in(folder, secret)
        # What DuckDB compresses cannot be found as text.
        found = "SELECT count(*) FROM jan WHERE jan::VARCHAR LIKE $1"
        assert storage.execute_scalar(found, [f"%{secret}%"]) == 0
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 5000
    assert not bytes_in(folder, secret)
    assert names_in(folder) == {path.name}


def bytes_in(folder: Path, secret: str) -> list[str]:
    return [
        str(file)
        for file in folder.rglob("*")
        if file.is_file() and secret.encode() in file.read_bytes()
    ]


def test_the_file_gets_smaller_and_the_result_says_by_how_much(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(50_000), EVENTS)
        storage.execute_rows("CHECKPOINT")
        before = path.stat().st_size
        storage.drop_table("jan")
        result = storage.compact()
        assert result == CompactionResult(result.bytes_before, path.stat().st_size)
        assert result.bytes_after < before / 2 <= result.bytes_before


def test_the_format_of_the_file_stays(path: Path) -> None:
    config = {"storage_compatibility_version": "v1.2.0", "default_block_size": 16384}
    with StorageEngine(path, config=config) as storage:
        storage.create_events_table("jan", make_events(10), EVENTS)
    form = (
        "SELECT tags['storage_version'], block_size FROM duckdb_databases() "
        "JOIN pragma_database_size() USING (database_name) WHERE NOT internal"
    )
    with StorageEngine(path) as storage:
        before = storage.execute_rows(form)
        assert "v1.2.0" in str(before)
        storage.compact()
        assert storage.execute_rows(form) == before


def test_an_encrypted_file_stays_encrypted(path: Path) -> None:
    with open_encrypted(path) as storage:
        storage.create_events_table("jan", make_events(5000), EVENTS)
        storage.compact()
        assert b"Firefox" not in path.read_bytes()
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 5000
    with open_encrypted(path, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 5000


def test_permissions_and_links_stay(file: StorageEngine, path: Path) -> None:
    file.close()
    path.chmod(0o640)
    link = path.with_name("link.db")
    link.symlink_to(path.name)
    with StorageEngine(link) as storage:
        storage.compact()
        storage.append_events_table("jan", make_events(101), EVENTS)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    with StorageEngine(path, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 101


def test_a_file_with_a_hard_link_is_refused(file: StorageEngine, path: Path) -> None:
    path.with_name("other.db").hardlink_to(path)
    with pytest.raises(CompactionError, match="hard links"):
        file.compact()
    assert file.append_events_table("jan", make_events(101), EVENTS) == 1


@contextmanager
def a_session(storage: StorageEngine) -> Iterator[None]:
    with storage.session() as session:
        session.execute(text("SELECT 1"))
        yield


@contextmanager
def a_stream(storage: StorageEngine) -> Iterator[None]:
    reader = storage.stream("FROM range(1_000_000)")
    reader.read_next_batch()
    yield
    reader.close()
    del reader
    gc.collect()


@contextmanager
def uncommitted(storage: StorageEngine) -> Iterator[None]:
    storage.connection.execute("BEGIN; CREATE TABLE a (b INTEGER)")
    yield
    storage.connection.execute("ROLLBACK")


@contextmanager
def attached(storage: StorageEngine) -> Iterator[None]:
    storage.connection.execute("ATTACH ':memory:' AS other")
    yield
    storage.connection.execute("DETACH other")


@contextmanager
def another_dialect(storage: StorageEngine) -> Iterator[None]:
    engine = create_engine(f"duckdb+mixpanel:///{storage.path}")
    with engine.connect():
        yield
    engine.dispose()


USES: dict[str, tuple[Callable[[StorageEngine], AbstractContextManager[object]], str]] = {
    "session": (a_session, "1 of its connections"),
    "connection": (lambda s: s.engine.connect(), "1 of its connections"),
    "stream": (a_stream, "1 of its connections"),
    "uncommitted": (uncommitted, "Commit or roll back"),
    "attached": (attached, "DETACH"),
    "engine": (lambda s: StorageEngine(str(s.path)), "another engine"),
    "another dialect": (another_dialect, "another engine"),
}


@pytest.mark.parametrize("use", USES)
def test_a_database_in_use_is_refused_and_stays_as_it_is(
    use: str, file: StorageEngine, path: Path
) -> None:
    using, problem = USES[use]
    before = path.stat().st_ino
    with using(file):
        with pytest.raises(DatabaseInUseError, match=problem) as caught:
            file.compact()
        assert caught.value.path == path
        assert path.stat().st_ino == before
        assert file.execute_scalar("SELECT count(*) FROM jan") == 100
    del caught
    file.compact()
    assert path.stat().st_ino != before


def test_what_can_only_be_seen_after_closing_leaves_the_engine_closed(
    file: StorageEngine, path: Path
) -> None:
    before = path.stat().st_ino
    with duckdb.connect(str(path)) as connection:
        with pytest.raises(DatabaseInUseError, match="engine is closed now"):
            file.compact()
        assert connection.execute("SELECT count(*) FROM jan").fetchall() == [(100,)]
    with pytest.raises(StorageClosedError):
        file.list_tables()
    with StorageEngine(path) as storage:
        assert path.stat().st_ino == before
        storage.compact()


def test_a_database_in_memory_has_nothing_to_compact() -> None:
    with StorageEngine.memory() as storage, pytest.raises(CompactionError, match=r"backup\(path\)"):
        storage.compact()


def test_a_database_opened_read_only_is_not_compacted(file: StorageEngine, path: Path) -> None:
    file.close()
    before = path.read_bytes()
    with StorageEngine(path, read_only=True) as storage, pytest.raises(DatabaseReadOnlyError):
        storage.compact()
    assert path.read_bytes() == before


def test_a_file_that_was_moved_is_not_compacted(file: StorageEngine, path: Path) -> None:
    path.rename(path.with_name("moved.db"))
    with pytest.raises(DatabaseMovedError):
        file.compact()
    assert not path.exists()


def test_rows_that_refer_to_rows_of_their_own_table_are_refused(
    file: StorageEngine, path: Path
) -> None:
    for statement in (
        "CREATE TABLE staff (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES staff (id))",
        "INSERT INTO staff VALUES (1, NULL)",
        "INSERT INTO staff VALUES (2, 1)",
    ):
        file.execute_rows(statement)
    with pytest.raises(CompactionError, match="foreign key"):
        file.compact()
    assert file.execute_rows("FROM staff ORDER BY id") == [(1, None), (2, 1)]
    assert names_in(path.parent) == {path.name}


@pytest.mark.skipif(duckdb.__version__ < "2", reason="DuckDB has triggers since 2.0")
def test_a_trigger_is_refused_by_its_name(file: StorageEngine) -> None:
    file.execute_rows("CREATE TABLE log (id VARCHAR)")
    file.execute_rows(
        "CREATE TRIGGER noting AFTER INSERT ON jan REFERENCING NEW TABLE AS added "
        "FOR EACH STATEMENT INSERT INTO log SELECT insert_id FROM added"
    )
    with pytest.raises(CompactionError, match="noting"):
        file.compact()
    file.append_events_table("jan", make_events(101), EVENTS)
    assert file.execute_scalar("SELECT count(*) FROM log") == 1


def test_the_engine_and_its_sessions_go_on(file: StorageEngine) -> None:
    engine, connection = file.engine, file.connection
    file.compact()
    assert file.engine is engine
    with file.session() as session:
        assert session.execute(text("SELECT count(*) FROM jan")).scalar() == 100
    assert file.connection.execute("SELECT count(*) FROM users").fetchall() == [(10,)]
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT 1")
    assert file.compact().bytes_after == file.compact().bytes_before


def test_other_threads_wait(file: StorageEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    real, found = unfinished.sync, list[int]()
    threads: list[threading.Thread] = []

    def sync(path: Path) -> None:
        if not threads:
            threads.append(
                threading.Thread(
                    target=lambda: found.append(
                        file.append_events_table("jan", [make_event(500)], EVENTS)
                    )
                )
            )
            threads[0].start()
        real(path)

    monkeypatch.setattr("mixpanel_data.database.rewriting.sync", sync)
    file.compact()
    threads[0].join()
    assert found == [1]
    assert file.execute_scalar("SELECT count(*) FROM jan") == 101


def test_other_processes_are_kept_out_until_it_is_closed(
    file: StorageEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = unfinished.sync
    script = """
try:
    StorageEngine(sys.argv[1])
except DatabaseLockedError as error:
    say("locked by", error.pid)
"""
    said: list[str] = []

    def sync(path_: Path) -> None:
        said.extend(run_python(script, path))
        real(path_)

    monkeypatch.setattr("mixpanel_data.database.rewriting.sync", sync)
    file.compact()
    said.extend(run_python(script, path))
    assert said == [f"locked by {os.getpid()}"] * 3


FOREIGN = """
import duckdb
sys.stdin.readline()
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE theirs AS SELECT 42 AS answer")
if sys.argv[2] == "closed":
    connection.close()
say("done")
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["open", "closed"])
def test_what_another_program_writes_meanwhile_is_not_lost(
    state: str, file: StorageEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rewriting._take_attributes
    with PythonProcess(FOREIGN, path, state) as process:

        def meanwhile(old: Path, copy: Path) -> None:
            process.write()
            assert process.read() == "done"
            real(old, copy)

        monkeypatch.setattr(rewriting, "_take_attributes", meanwhile)
        expected = DatabaseLockedError if state == "open" else DatabaseFileError
        with pytest.raises(expected):
            file.compact()
    assert names_in(path.parent) == {path.name}
    file.close()
    with StorageEngine(path) as storage:
        assert storage.execute_rows("FROM theirs") == [(42,)]
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 100


def test_a_closed_engine_compacts_nothing(file: StorageEngine) -> None:
    file.close()
    with pytest.raises(StorageClosedError):
        file.compact()
