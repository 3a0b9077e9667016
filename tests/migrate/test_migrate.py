"""``mixpanel_data.migrate``: the revision of a database, inspected and changed from Python."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import create_engine, make_url, text

from mixpanel_data import (
    DatabaseFileError,
    DatabaseLockedError,
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    RevisionError,
    SchemaDriftError,
    SchemaOlderError,
    SchemaUnversionedError,
    StorageEngine,
    migrate,
)
from mixpanel_data.schema.versions import HEAD, REVISIONS
from tests.databases import facts, make_database
from tests.processes import PythonProcess, run_python
from tests.records import EVENTS, PROFILES, make_events, make_profiles


@contextmanager
def as_path(path: Path) -> Iterator[Path]:
    yield path


@contextmanager
def as_text(path: Path) -> Iterator[str]:
    yield str(path)


@contextmanager
def as_url(path: Path) -> Iterator[Any]:
    yield make_url(f"duckdb+mixpanel:///{path}")


@contextmanager
def as_text_of_a_url(path: Path) -> Iterator[str]:
    yield f"duckdb:///{path}"


@contextmanager
def as_engine(path: Path) -> Iterator[Any]:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    yield engine
    engine.dispose()


CLOSED = (as_path, as_text, as_url, as_text_of_a_url)


@pytest.mark.parametrize("target", [*CLOSED, as_engine])
def test_a_target_is_a_path_a_url_or_an_engine(
    target: Callable[[Path], Any], tmp_path: Path
) -> None:
    path = make_database("0001", tmp_path / "50 % of it.db")
    with target(path) as given:
        assert migrate.status(given).revision == "0001"
        result = migrate.upgrade(given)
        assert (result.before, result.after, result.backup) == ("0001", HEAD, None)
        migrate.check(given)
        assert migrate.downgrade(given, "-1").after == REVISIONS[-2]
        assert [step.applied for step in migrate.history(given)] == [True, True, False]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_target_is_a_storage_engine(storage: StorageEngine) -> None:
    assert migrate.status(storage).state == "current"
    migrate.check(storage)
    assert migrate.downgrade(storage, "0001").after == storage.schema_revision == "0001"
    with pytest.raises(SchemaOlderError):
        migrate.check(storage)
    assert migrate.upgrade(storage).after == storage.schema_revision == HEAD
    migrate.check(storage)
    assert storage.create_events_table("t", make_events(3), EVENTS) == 3


@pytest.mark.parametrize("revision", REVISIONS[:-1])
@pytest.mark.parametrize(
    ("by", "sandbox"), [("storage", False), ("storage", True), ("engine", False)]
)
def test_an_open_engine_that_was_downgraded_says_so(
    by: str, sandbox: bool, revision: str, path: Path
) -> None:
    with StorageEngine(path, sandbox=sandbox) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        given: Any = storage if by == "storage" else storage.engine
        migrate.downgrade(given, revision)
        uses: tuple[Callable[[], object], ...] = (
            lambda: storage.create_profiles_table("users", make_profiles(2), PROFILES),
            lambda: storage.append_events_table("jan", make_events(5), EVENTS),
            lambda: storage.property_columns("jan"),
            lambda: storage.add_property_columns("jan", ["x"]),
            lambda: storage.rename_table("jan", "feb"),
            lambda: storage.drop_table("jan"),
        )
        for use in uses:
            with pytest.raises(SchemaOlderError) as caught:
                use()
            assert (caught.value.found, caught.value.path) == (revision, path)
            assert "migrate upgrade" in str(caught.value.command)
        assert [table.name for table in storage.list_tables()] == ["jan"]
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3
        migrate.upgrade(given)
        assert storage.append_events_table("jan", make_events(5), EVENTS) == 2


def test_the_status_tells_state_and_tables(path: Path) -> None:
    make_database("original", path)
    status = migrate.status(path)
    assert (status.state, status.revision, status.head) == ("unversioned", None, HEAD)
    assert (status.tables, status.unrecorded) == (["events_jan", "users"], ["events_feb"])
    with pytest.raises(SchemaUnversionedError):
        migrate.check(path)


def test_looking_creates_and_changes_nothing(path: Path) -> None:
    for look in (migrate.status, migrate.check, migrate.history):
        with pytest.raises(DatabaseNotFoundError):
            look(path)
        assert not path.exists()
    before = make_database("original", path).read_bytes()
    migrate.status(path)
    migrate.history(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_there_is_not_made_by_an_upgrade(path: Path) -> None:
    for backup in (False, True):
        with pytest.raises(DatabaseNotFoundError):
            migrate.upgrade(path, backup=backup)
    with pytest.raises(DatabaseNotFoundError):
        migrate.upgrade("duckdb+mixpanel:///:memory:")
    assert not path.exists()


def test_the_history_has_every_revision_oldest_first() -> None:
    steps = migrate.history()
    assert tuple(step.revision for step in steps) == REVISIONS
    assert [step.follows for step in steps] == [None, *REVISIONS[:-1]]
    assert all(step.summary and step.applied is None for step in steps)


@pytest.mark.parametrize(
    ("recipe", "applied"),
    [
        ("original", []),
        ("0001", ["0001"]),
        ("0002", ["0001", "0002"]),
        ("0003", list(REVISIONS)),
        ("newer", list(REVISIONS)),
    ],
)
def test_the_history_tells_what_a_database_has(recipe: str, applied: list[str], path: Path) -> None:
    make_database(recipe, path)
    assert [step.revision for step in migrate.history(path) if step.applied] == applied


@pytest.mark.parametrize("revision", ["nope", "+9", "0000"])
def test_an_unknown_revision_is_refused(revision: str, path: Path) -> None:
    make_database("0001", path)
    before = facts(path)
    for go in (migrate.upgrade, migrate.downgrade):
        with pytest.raises(RevisionError, match="lists the revisions") as caught:
            go(path, revision)
        assert caught.value.revision == revision
        assert isinstance(caught.value, ValueError)
    assert facts(path) == before


def test_a_migration_to_the_current_revision_does_nothing(path: Path) -> None:
    make_database("0003", path)
    before = path.read_bytes()
    result = migrate.upgrade(path)
    assert (result.before, result.after) == (HEAD, HEAD)
    assert path.read_bytes() == before


def test_at_base_the_tables_of_events_are_ordinary_tables(path: Path) -> None:
    make_database("0003", path)
    before = facts(path)
    assert migrate.downgrade(path, "base").after is None
    status = migrate.status(path)
    assert (status.state, status.tables) == ("absent", [])
    assert status.unrecorded == ["events_feb", "events_jan", "users"]
    after = facts(path)
    assert {name: after[name] for name in status.unrecorded} == {
        name: before[name] for name in status.unrecorded
    }
    assert migrate.upgrade(path).after == HEAD


def test_after_a_migration_the_wal_is_empty(path: Path) -> None:
    make_database("0001", path)
    log = path.with_name(f"{path.name}.wal")
    with as_engine(path) as engine:
        migrate.upgrade(engine)
        assert not log.exists() or log.stat().st_size == 0


def test_a_migration_while_somebody_reads_is_checkpointed_later(path: Path) -> None:
    make_database("0001", path)
    with as_engine(path) as engine, engine.begin() as reader:
        reader.execute(text("UPDATE users SET last_seen = NULL"))
        assert migrate.upgrade(engine).after == HEAD
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(last_seen) FROM users") == 0


# Targets that cannot be


def test_another_kind_of_database_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="no DuckDB database"):
        migrate.status("sqlite:///events.db")
    engine = create_engine("sqlite://")
    with pytest.raises(ValueError, match="another dialect"):
        migrate.status(engine)
    engine.dispose()


def test_what_was_opened_read_only_is_not_migrated(path: Path) -> None:
    make_database("0003", path)
    with StorageEngine(path, read_only=True) as storage:
        migrate.check(storage)
        with pytest.raises(DatabaseReadOnlyError):
            migrate.downgrade(storage, "0001")


def test_a_file_in_use_is_a_locked_error(path: Path) -> None:
    make_database("0001", path)
    script = "import duckdb; c = duckdb.connect(sys.argv[1]); say('open'); sys.stdin.read()"
    with PythonProcess(script, path) as process:
        process.read()
        for backup in (False, True):
            with pytest.raises(DatabaseLockedError) as caught:
                migrate.upgrade(path, backup=backup)
            assert caught.value.pid == process.pid
    assert list(path.parent.iterdir()) == [path]


def test_the_path_of_a_file_that_is_open_here_is_refused(path: Path) -> None:
    make_database("0003", path)
    with StorageEngine(path), pytest.raises(DatabaseFileError, match="cannot be opened"):
        migrate.status(path)


# Copies


@pytest.mark.parametrize("target", CLOSED)
def test_a_backup_is_the_file_as_it_was_and_is_never_replaced(
    target: Callable[[Path], Any], path: Path
) -> None:
    make_database("0001", path)
    path.chmod(0o600)
    before = facts(path)
    with target(path) as given:
        first = migrate.upgrade(given, backup=True).backup
        second = migrate.downgrade(given, "0001", backup=True).backup
    assert first == path.with_name(f"{path.name}.backup")
    assert second == path.with_name(f"{path.name}.backup-2")
    assert facts(first) == before
    assert "filter_where" in facts(second)["_metadata"][0]
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {path.name, first.name, second.name}


def test_a_backup_has_what_was_in_the_wal(path: Path) -> None:
    make_database("0001", path)
    script = """
import duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("INSERT INTO users VALUES ('late', NULL, NULL)")
say("done")
sys.stdin.read()
"""
    with PythonProcess(script, path) as process:
        process.read()
        process.kill()
    assert path.with_name(f"{path.name}.wal").exists()
    copy = migrate.upgrade(path, backup=True).backup
    assert copy is not None
    assert ("late", None, None) in facts(copy)["users"][1]


@pytest.mark.parametrize("target", ["storage", "its engine", "engine"])
def test_an_open_database_can_be_backed_up(target: str, path: Path) -> None:
    make_database("0001", path)
    before = facts(path)
    plain = create_engine(f"duckdb+mixpanel:///{path}")
    if target == "engine":
        copy = migrate.upgrade(plain, backup=True).backup
    else:
        with StorageEngine(path, migrate=True) as storage:
            migrate.downgrade(storage, "0001")
            given = storage if target == "storage" else storage.engine
            copy = migrate.upgrade(given, backup=True).backup
    plain.dispose()
    assert copy is not None
    assert facts(copy).keys() == before.keys()
    assert migrate.status(copy).revision == "0001"
    assert migrate.status(path).state == "current"


def test_nothing_is_copied_when_there_is_nothing_to_do(path: Path) -> None:
    StorageEngine(path).close()
    assert migrate.upgrade(path, backup=True).backup is None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("down", "revision"),
    [
        (False, "+1"),
        (False, "+0"),
        (False, HEAD),
        (False, "nope"),
        (True, HEAD),
        (True, "-9"),
        (True, "nope"),
    ],
)
def test_nothing_is_copied_where_no_revision_is_to_go_to(
    path: Path, down: bool, revision: str
) -> None:
    StorageEngine(path).close()
    go = migrate.downgrade if down else migrate.upgrade
    with suppress(RevisionError):
        assert go(path, revision, backup=True).backup is None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_relative_revision_copies_where_there_is_one(path: Path) -> None:
    make_database("0001", path)
    first = migrate.upgrade(path, "+1", backup=True)
    second = migrate.downgrade(path, "-1", backup=True)
    assert [result.backup and result.backup.name for result in (first, second)] == [
        f"{path.name}.backup",
        f"{path.name}.backup-2",
    ]


def test_a_url_has_settings_and_options(path: Path) -> None:
    make_database("0001", path)
    url = f"duckdb+mixpanel:///{path}?lock_timeout=5&foreign_keys=off&threads=1"
    assert migrate.upgrade(url).after == HEAD
    assert migrate.status(f"{url}&read_only=true").state == "current"
    with pytest.raises(DatabaseReadOnlyError):
        migrate.downgrade(f"{url}&read_only=true", "0001")
    with pytest.raises(ValueError, match=r"lock_timeout of the URL is 'soon'\. Use"):
        migrate.status(f"duckdb+mixpanel:///{path}?lock_timeout=soon")


def test_an_in_memory_database_cannot_be_backed_up() -> None:
    with StorageEngine.memory() as storage, pytest.raises(ValueError, match="no file to copy"):
        migrate.upgrade(storage, backup=True)


def test_nobody_can_change_the_file_between_its_copy_and_its_migration(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database("0001", path)
    before = facts(path)
    real, came = os.fsync, []

    def interfere(number: int) -> None:
        came.append(run_python(INTERFERE, path))
        real(number)

    monkeypatch.setattr(os, "fsync", interfere)
    copy = migrate.upgrade(path, backup=True).backup
    assert {*map(tuple, came)} == {("locked",)}
    assert copy is not None
    assert facts(copy) == before


INTERFERE = """
import duckdb
try:
    duckdb.connect(sys.argv[1])
except duckdb.IOException as error:
    say("locked" if "Could not set lock" in str(error) else error)
"""


def test_where_no_copy_can_be_made_nothing_is_migrated(tmp_path: Path) -> None:
    path = make_database("0001", tmp_path / f"{'x' * 242}.db")  # too long with .backup.part
    with pytest.raises(DatabaseFileError, match="the copy cannot be made"):
        migrate.upgrade(path, backup=True)
    assert migrate.status(path).revision == "0001"
    assert list(tmp_path.iterdir()) == [path]


# Drift


def drift(path: Path, *statements: str) -> list[str]:
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        storage.create_profiles_table("users", make_profiles(3), PROFILES, primary_key=False)
        storage.execute_rows("CREATE TABLE orders (id INTEGER)")
    migrate.check(path)
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(SchemaDriftError, match="Nothing was changed") as caught:
        migrate.check(path)
    assert all(sentence in caught.value.message for sentence in caught.value.differences)
    return sorted(caught.value.differences)


@pytest.mark.parametrize(
    ("statement", "difference"),
    [
        (
            "ALTER TABLE events_jan DROP COLUMN properties",
            "Table 'events_jan' has no column 'properties'.",
        ),
        (
            "ALTER TABLE users ADD COLUMN mine INTEGER",
            "Table 'users' has a column 'mine' too many.",
        ),
        (
            "ALTER TABLE events_jan ALTER COLUMN event_time TYPE VARCHAR",
            "Column 'event_time' of table 'events_jan' has type VARCHAR, not DATETIME.",
        ),
        (
            "ALTER TABLE users ALTER COLUMN properties TYPE VARCHAR",
            "Column 'properties' of table 'users' has type VARCHAR, not JSON.",
        ),
        (
            "ALTER TABLE events_jan ALTER COLUMN distinct_id DROP NOT NULL",
            "Column 'distinct_id' of table 'events_jan' may be NULL.",
        ),
        (
            "ALTER TABLE users ALTER COLUMN last_seen SET NOT NULL",
            "Column 'last_seen' of table 'users' may not be NULL.",
        ),
        (
            "ALTER TABLE _metadata ALTER COLUMN row_count TYPE INTEGER",
            "Column 'row_count' of table '_metadata' has type INTEGER, not BIGINT.",
        ),
        ("DROP TABLE _metadata", "There is no table '_metadata'."),
    ],
)
def test_a_check_names_table_and_column(path: Path, statement: str, difference: str) -> None:
    assert drift(path, statement) == [difference]


def test_a_check_finds_everything_at_once(path: Path) -> None:
    found = drift(
        path,
        "ALTER TABLE events_jan DROP COLUMN properties",
        "ALTER TABLE users DROP COLUMN last_seen",
    )
    assert len(found) == 2


def test_indexes_and_comments_of_the_application_are_no_drift(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        storage.execute_rows("CREATE INDEX mine ON events_jan (distinct_id)")
        storage.execute_rows("COMMENT ON TABLE events_jan IS 'January'")
        storage.execute_rows("COMMENT ON COLUMN events_jan.insert_id IS 'as sent'")
    migrate.check(path)


# Many at once


def test_threads_migrate_their_databases_at_the_same_time(tmp_path: Path) -> None:
    paths = [make_database("original", tmp_path / f"{number}.db") for number in range(6)]
    failures: list[BaseException] = []

    def work(path: Path) -> None:
        try:
            for _ in range(2):
                migrate.upgrade(path)
                migrate.check(path)
                migrate.downgrade(path, "0001")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {migrate.status(path).revision for path in paths} == {"0001"}
