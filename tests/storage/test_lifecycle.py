"""Opening and closing: where files come from, who may open them, and that closed means closed."""

from __future__ import annotations

import gc
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mixpanel_data import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    MixpanelDataError,
    SchemaNewerError,
    SchemaUnversionedError,
    StorageClosedError,
    StorageEngine,
    TableNotFoundError,
)
from tests.conftest import EVENTS, PROFILES, TARGETS, make_events, make_profiles
from tests.processes import PythonProcess, run_python

posix_only = pytest.mark.skipif(os.name == "nt", reason="permissions as POSIX has them")

EXAMPLES = Path(__file__).parents[2] / "examples"

WRITING: dict[str, Callable[[StorageEngine, Any], object]] = {
    "create_events_table": lambda s, data: s.create_events_table("new", data, EVENTS),
    "create_profiles_table": lambda s, data: s.create_profiles_table("new", data, PROFILES),
    "append_events_table": lambda s, data: s.append_events_table("jan", data, EVENTS),
    "append_profiles_table": lambda s, data: s.append_profiles_table("users", data, PROFILES),
    "load_events_export": lambda s, data: s.load_events_export(
        "new", EXAMPLES / "events.jsonl.gz", EVENTS
    ),
    "load_profiles_export": lambda s, data: s.load_profiles_export(
        "new", EXAMPLES / "profiles.jsonl", PROFILES
    ),
    "create_table_as": lambda s, data: s.create_table_as("new", "SELECT 1 AS a"),
    "drop_table": lambda s, data: s.drop_table("jan"),
}
ASKING: dict[str, Callable[[StorageEngine], object]] = {
    "execute": lambda s: s.execute("SELECT 1"),
    "execute_df": lambda s: s.execute_df("SELECT 1"),
    "execute_rows": lambda s: s.execute_rows("SELECT 1"),
    "execute_scalar": lambda s: s.execute_scalar("SELECT 1"),
    "list_tables": lambda s: s.list_tables(),
    "table_exists": lambda s: s.table_exists("jan"),
    "get_schema": lambda s: s.get_schema("jan"),
    "get_metadata": lambda s: s.get_metadata("jan"),
    "connection": lambda s: s.connection,
    "engine": lambda s: s.engine,
    "session": lambda s: s.session(),
    "model": lambda s: s.model("jan"),
    "schema_revision": lambda s: s.schema_revision,
    "explain": lambda s: s.explain("SELECT 1"),
    "backup": lambda s: s.backup(Path(tempfile.mkdtemp()) / "copy.db"),
}
CONSTRUCTORS = {"ephemeral", "memory", "open_existing"}
ALWAYS_USABLE = {"close", "cleanup", "path", "read_only"}

COUNT_JAN = """
with StorageEngine.open_existing(sys.argv[1]) as storage:
    say(storage.execute_scalar("SELECT count(*) FROM jan"))
"""
APPEND_TO_JAN = """
with StorageEngine.open_existing(sys.argv[1]) as storage:
    say(storage.append_events_table("jan", make_events(30), EVENTS))
"""


def fill(storage: StorageEngine) -> None:
    """Make a table of each kind."""
    storage.create_events_table("jan", make_events(20), EVENTS)
    storage.create_profiles_table("users", make_profiles(5), PROFILES)


@pytest.fixture
def filled(path: Path) -> Path:
    """A database file with a table of each kind."""
    with StorageEngine(path) as storage:
        fill(storage)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder of the user."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of change of every file under a folder.

    Only for databases that are closed: a process that closes a file gives up its locks on it.
    """
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


# Where the file is


def test_without_path_and_project_id_the_three_ways_in_are_named() -> None:
    with pytest.raises(ValueError, match=r"path.*project_id.*StorageEngine\.ephemeral\(\)"):
        StorageEngine()


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_text_or_a_path(path: Path, kind: Callable[[Path], str | Path]) -> None:
    with StorageEngine(kind(path)) as storage:
        assert storage.path == path
        assert path.exists()
        assert storage.read_only is False


def test_a_path_that_is_neither_is_refused() -> None:
    with pytest.raises(TypeError):
        StorageEngine(5)  # type: ignore[arg-type]


def test_folders_above_the_file_are_created(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two three" / "ü.db"
    with StorageEngine(path) as storage:
        fill(storage)
    with StorageEngine(path) as storage:
        assert storage.table_exists("jan")


def test_a_tilde_is_the_home_folder(home: Path) -> None:
    with StorageEngine("~/events.db") as storage:
        assert storage.path == home / "events.db"


def test_a_relative_path_is_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with StorageEngine("events.db"):
        assert (tmp_path / "events.db").exists()


@pytest.mark.parametrize("project_id", ["12345", 12345, "my-project_2.test"])
def test_a_project_has_its_file_in_the_home_folder(home: Path, project_id: str | int) -> None:
    path = home / ".mixpanel_data" / f"{project_id}.db"
    with StorageEngine(project_id=project_id) as storage:
        assert storage.path == path
        fill(storage)
    with StorageEngine(path) as storage:
        assert storage.table_exists("users")


@posix_only
@pytest.mark.usefixtures("open_umask")
def test_the_folder_and_file_of_a_project_are_private(home: Path) -> None:
    with StorageEngine(project_id="1") as storage:
        fill(storage)
        assert mode(home / ".mixpanel_data") == 0o700
        assert mode(home / ".mixpanel_data" / "1.db") == 0o600
    assert mode(home / ".mixpanel_data" / "1.db") == 0o600


@posix_only
@pytest.mark.usefixtures("open_umask")
def test_a_new_file_and_its_new_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.db"
    with StorageEngine(path):
        assert mode(path.parent) == 0o700
        assert mode(path) == 0o600


@posix_only
def test_the_permissions_of_a_file_that_is_there_are_left_alone(filled: Path) -> None:
    filled.chmod(0o664)
    with StorageEngine(filled):
        pass
    assert mode(filled) == 0o664


@pytest.mark.parametrize(
    "project_id",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc/x",
        "~",
        "-x",
        ".hidden",
        "a b",
        "a\0b",
        "a\n",
        "é",
    ],
)
def test_a_project_id_that_is_no_plain_file_name_is_refused(home: Path, project_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        StorageEngine(project_id=project_id)
    assert list(home.iterdir()) == []


def test_a_path_goes_before_a_project_id(home: Path, path: Path) -> None:
    with StorageEngine(path, project_id="1") as storage:
        assert storage.path == path
    assert list(home.iterdir()) == []


def test_memory_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"StorageEngine\.memory\(\)"):
        StorageEngine(":memory:")
    assert list(tmp_path.iterdir()) == []


def test_databases_in_memory_know_nothing_of_each_other(path: Path) -> None:
    with StorageEngine.memory() as one, StorageEngine.memory() as other:
        fill(one)
        assert other.list_tables() == []
        assert one.path is None


# Closing


@pytest.mark.parametrize("close", [StorageEngine.close, StorageEngine.cleanup])
def test_closing_twice_is_fine(
    storage: StorageEngine, close: Callable[[StorageEngine], None]
) -> None:
    close(storage)
    close(storage)
    storage.close()


@pytest.mark.parametrize(
    "name",
    sorted(
        {name for name in dir(StorageEngine) if not name.startswith("_")}
        - CONSTRUCTORS
        - ALWAYS_USABLE
    ),
)
def test_everything_that_needs_the_database_says_that_it_is_closed(
    storage: StorageEngine, name: str
) -> None:
    fill(storage)
    storage.close()
    data = make_events(3)
    with pytest.raises(StorageClosedError, match="Open a new one") as caught:
        ASKING[name](storage) if name in ASKING else WRITING[name](storage, data)
    assert isinstance(caught.value, RuntimeError)
    assert len(list(data)) == 3


@pytest.mark.parametrize("target", TARGETS)
def test_a_closed_engine_still_tells_what_it_was(tmp_path: Path, target: str) -> None:
    storage = TARGETS[target](tmp_path)
    path = storage.path
    storage.close()
    assert storage.path == path
    assert storage.read_only is False
    assert "closed" in repr(storage)


def test_the_repr_tells_file_and_state(path: Path) -> None:
    storage = StorageEngine(path)
    assert repr(storage) == f"<StorageEngine {path}>"
    assert repr(storage.engine) == f"Engine(duckdb+mixpanel:///{path})"
    storage.close()
    assert repr(storage) == f"<StorageEngine {path} (closed)>"
    with StorageEngine.memory() as memory:
        assert repr(memory) == "<StorageEngine in memory>"


def use_session(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    session.execute(text("INSERT INTO users SELECT 'x', '{}', NULL"))
    return lambda: session.scalar(text("SELECT 1"))


def use_unread_rows(storage: StorageEngine) -> Callable[[], object]:
    result = storage.session().execute(text("SELECT * FROM range(100000)"))
    result.fetchone()
    return result.fetchall


def use_connection_with_unread_rows(storage: StorageEngine) -> Callable[[], object]:
    connection = storage.engine.connect()
    connection.execute(text("SELECT * FROM range(100000)")).fetchone()
    return lambda: connection.execute(text("SELECT 1"))


def use_commit(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    session.execute(text("DELETE FROM users"))
    return session.commit


def use_engine(storage: StorageEngine) -> Callable[[], object]:
    engine = storage.engine
    return lambda: engine.connect()


def use_new_session(storage: StorageEngine) -> Callable[[], object]:
    session = storage.session()
    return lambda: session.scalar(text("SELECT 1"))


def use_relation(storage: StorageEngine) -> Callable[[], object]:
    return storage.execute("SELECT * FROM jan").fetchall


def use_filtered_relation(storage: StorageEngine) -> Callable[[], object]:
    relation = storage.execute("SELECT * FROM jan")
    relation.df()
    return lambda: relation.filter("distinct_id = 'user-1'").df()


def use_duckdb_connection(storage: StorageEngine) -> Callable[[], object]:
    connection = storage.connection
    return lambda: connection.execute("SELECT 1")


def use_duckdb_cursor(storage: StorageEngine) -> Callable[[], object]:
    cursor = storage.connection.cursor()
    cursor.begin()
    cursor.execute("DELETE FROM users")
    return cursor.commit


@pytest.mark.parametrize(
    "use",
    [
        use_engine,
        use_new_session,
        use_session,
        use_commit,
        use_unread_rows,
        use_connection_with_unread_rows,
        use_relation,
        use_filtered_relation,
        use_duckdb_connection,
        use_duckdb_cursor,
    ],
)
def test_what_is_left_open_fails_and_keeps_the_file_from_nobody(
    path: Path, use: Callable[[StorageEngine], Callable[[], object]]
) -> None:
    storage = StorageEngine(path)
    fill(storage)
    left_open = use(storage)
    storage.close()
    assert run_python(APPEND_TO_JAN, path) == ["10"]
    with pytest.raises((MixpanelDataError, SQLAlchemyError, duckdb.Error), match=r"(?i)closed"):
        left_open()
    with StorageEngine(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [30, 5]


def test_what_is_left_open_can_be_closed_afterwards(
    storage: StorageEngine, caplog: pytest.LogCaptureFixture
) -> None:
    fill(storage)
    with storage.session() as session, storage.engine.connect() as connection:
        session.execute(text("DELETE FROM users"))
        connection.execute(text("SELECT * FROM jan")).fetchone()
        storage.close()
    assert caplog.records == []


def test_the_block_closes_when_it_ends(path: Path) -> None:
    with StorageEngine(path) as storage:
        fill(storage)
    with pytest.raises(StorageClosedError):
        storage.list_tables()


def test_the_block_closes_when_it_fails_and_the_error_stays_what_it_was(path: Path) -> None:
    storage = StorageEngine(path)
    error = KeyboardInterrupt("stop")

    def stop() -> None:
        with storage:
            fill(storage)
            storage.session().execute(text("DELETE FROM jan"))
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value is error
    with pytest.raises(StorageClosedError):
        storage.list_tables()
    assert run_python(COUNT_JAN, path) == ["20"]


def test_an_engine_that_nobody_refers_to_lets_go_of_its_file(path: Path) -> None:
    storage = StorageEngine(path)
    fill(storage)
    del storage
    gc.collect()
    assert run_python(COUNT_JAN, path) == ["20"]


def test_a_process_that_never_closes_loses_nothing(path: Path) -> None:
    run_python(
        """
storage = StorageEngine(sys.argv[1])
storage.create_events_table("jan", make_events(20), EVENTS)
""",
        path,
    )
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 20


def test_reopening_gives_back_what_was_stored(path: Path) -> None:
    def everything(storage: StorageEngine) -> list[object]:
        return [
            storage.execute_rows("SELECT * FROM jan"),
            storage.execute_rows("SELECT * FROM users"),
            storage.list_tables(),
            *(
                ask(table)
                for table in ("jan", "users")
                for ask in (storage.get_schema, storage.get_metadata)
            ),
        ]

    with StorageEngine(path) as storage:
        fill(storage)
        before = everything(storage)
    for _ in range(2):
        with StorageEngine(path) as storage:
            assert everything(storage) == before
            with pytest.raises(MixpanelDataError):
                storage.create_events_table("jan", [], EVENTS)


# Only what exists


@pytest.mark.parametrize("read_only", [False, True])
def test_opening_a_file_that_is_not_there_creates_nothing(tmp_path: Path, read_only: bool) -> None:
    for path in (tmp_path / "events.db", tmp_path / "folder" / "events.db"):
        with pytest.raises(DatabaseNotFoundError) as caught:
            StorageEngine.open_existing(path, read_only=read_only)
        assert isinstance(caught.value, FileNotFoundError)
        assert caught.value.path == path
    assert list(tmp_path.iterdir()) == []


def test_opening_a_file_that_is_there_gives_its_data(filled: Path) -> None:
    with StorageEngine.open_existing(str(filled)) as storage:
        assert storage.append_events_table("jan", make_events(25), EVENTS) == 5


# Read-only


def test_reading_a_file_that_is_not_there_creates_nothing(tmp_path: Path) -> None:
    for path in (tmp_path / "events.db", tmp_path / "folder" / "events.db"):
        with pytest.raises(DatabaseNotFoundError) as caught:
            StorageEngine(path, read_only=True)
        assert caught.value.path == path
    assert list(tmp_path.iterdir()) == []


def test_a_project_without_a_file_gets_none_by_reading(home: Path) -> None:
    with pytest.raises(FileNotFoundError):
        StorageEngine(project_id="1", read_only=True)
    assert list(home.iterdir()) == []


def test_several_processes_read_at_once(filled: Path) -> None:
    script = """
with StorageEngine(sys.argv[1], read_only=True) as storage:
    say(len(storage.list_tables()))
    sys.stdin.readline()
    say(storage.execute_scalar("SELECT count(*) FROM jan"))
"""
    with (
        PythonProcess(script, filled) as one,
        PythonProcess(script, filled) as other,
        StorageEngine.open_existing(filled, read_only=True) as storage,
    ):
        assert [one.read(), other.read()] == ["2", "2"]  # both have the file open now
        assert len(storage.list_tables()) == 2
        for process in (one, other):
            process.write()
            assert process.read() == "20"
            assert process.wait() == 0


@pytest.mark.parametrize("name", WRITING)
def test_writing_to_a_file_opened_for_reading_is_refused_before_anything_is_consumed(
    filled: Path, name: str
) -> None:
    data = make_events(3)
    with StorageEngine(filled, read_only=True) as storage:
        assert storage.read_only is True
        with pytest.raises(DatabaseReadOnlyError, match="read_only=True") as caught:
            WRITING[name](storage, data)
        assert isinstance(caught.value, PermissionError)
        assert caught.value.path == filled
        assert len(list(data)) == 3
        assert [table.name for table in storage.list_tables()] == ["jan", "users"]


def test_writing_sql_to_a_file_opened_for_reading_is_refused(filled: Path) -> None:
    with StorageEngine(filled, read_only=True) as storage:
        with pytest.raises(MixpanelDataError):
            storage.execute_rows("DELETE FROM jan")
        with pytest.raises(MixpanelDataError):
            storage.execute_rows("CREATE TABLE other (i INTEGER)")


def test_reading_leaves_the_file_as_it_is_to_the_byte(filled: Path) -> None:
    before = contents(filled.parent)
    with StorageEngine(filled, read_only=True) as storage:
        for ask in ASKING.values():
            ask(storage)
        with storage.session() as session:
            session.execute(text("SELECT * FROM jan")).all()
            session.commit()
    assert contents(filled.parent) == before


@posix_only
def test_reading_what_a_killed_process_left_changes_nothing_either(path: Path) -> None:
    script = """
storage = StorageEngine(sys.argv[1])
storage.create_events_table("jan", make_events(20), EVENTS)
os.kill(os.getpid(), signal.SIGKILL)
"""
    with PythonProcess(script, path) as process:
        process.wait()
    before = contents(path.parent)
    try:
        with StorageEngine(path, read_only=True) as storage:
            assert storage.execute_scalar("SELECT count(*) FROM jan") == 20
    except DatabaseFileError:
        pass  # DuckDB 1.5 cannot bring such a file up to date without writing
    assert contents(path.parent) == before
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 20


# What is no database


@pytest.mark.parametrize("content", [b"", b"hello", b"hello " * 5000, bytes(20_000)])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    path: Path, content: bytes, read_only: bool
) -> None:
    path.write_bytes(content)
    before = contents(path.parent)
    with pytest.raises(DatabaseCorruptError) as caught:
        StorageEngine(path, read_only=read_only)
    assert isinstance(caught.value, OSError)
    assert caught.value.path == path
    assert contents(path.parent) == before


def test_a_damaged_database_is_refused_and_left_alone(filled: Path) -> None:
    damaged = bytearray(filled.read_bytes())
    damaged[4096:12288] = bytes(8192)
    filled.write_bytes(damaged)
    before = contents(filled.parent)
    with pytest.raises(DatabaseFileError):
        StorageEngine(filled)
    assert contents(filled.parent) == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_folder_is_no_database(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(DatabaseFileError) as caught:
        StorageEngine(tmp_path, read_only=read_only)
    assert isinstance(caught.value, OSError)
    with pytest.raises(DatabaseFileError):
        StorageEngine.open_existing(tmp_path, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["events.db", "folder/events.db"])
def test_a_folder_that_cannot_be_made_is_an_error_of_the_file(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / below
    with pytest.raises(DatabaseFileError, match="folder") as caught:
        StorageEngine(path)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.path == path
    assert (tmp_path / "file").read_text() == "mine"


@posix_only
def test_a_file_without_permission_is_an_error_of_the_file(filled: Path) -> None:
    filled.chmod(0o400)
    if os.access(filled, os.W_OK):
        pytest.skip("this user may do everything")
    with pytest.raises(DatabaseFileError) as caught:
        StorageEngine(filled)
    assert isinstance(caught.value, OSError)
    with StorageEngine(filled, read_only=True) as storage:
        assert storage.table_exists("jan")


# DuckDB's settings


def test_settings_reach_duckdb(tmp_path: Path) -> None:
    config = {"threads": 1, "memory_limit": "123MiB"}
    with StorageEngine(tmp_path / "a.db", config=config):
        pass
    for storage in (
        StorageEngine.open_existing(tmp_path / "a.db", config=config),
        StorageEngine.ephemeral(config=config),
        StorageEngine.memory(config=config),
    ):
        with storage:
            settings = "SELECT current_setting('threads'), current_setting('memory_limit')"
            assert storage.execute_rows(settings) == [(1, "123.0 MiB")]
            assert storage.connection.execute(settings).fetchall() == [(1, "123.0 MiB")]


@pytest.mark.parametrize(
    "config", [{"no_such_setting": 1}, {"memory_limit": "a lot"}, {"threads": -1}]
)
def test_a_bad_setting_is_a_typed_error_and_leaves_nothing_behind(
    path: Path, config: dict[str, Any]
) -> None:
    for make in (
        StorageEngine.memory,
        StorageEngine.ephemeral,
        lambda config: StorageEngine(path, config=config),
    ):
        with pytest.raises(MixpanelDataError):
            make(config=config)
    assert list(path.parent.iterdir()) == []
    with StorageEngine(path) as storage:
        fill(storage)


# Files of others, and of other versions


@pytest.fixture
def foreign(path: Path) -> Path:
    """A database file made by an application, with tables of its own."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total DECIMAL(8, 2))")
        connection.execute("INSERT INTO orders VALUES (1, 9.99), (2, 0.01)")
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        connection.execute("INSERT INTO alembic_version VALUES ('theirs')")
    return path


def catalog(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "SELECT table_name, sql FROM duckdb_tables() ORDER BY 1"
        ).fetchall()


def test_looking_at_the_file_of_an_application_changes_nothing(foreign: Path) -> None:
    before = contents(foreign.parent)
    with StorageEngine(foreign) as storage:
        assert storage.list_tables() == []
        assert storage.table_exists("orders")
        assert not storage.table_exists("jan")
        assert [column.name for column in storage.get_schema("orders").columns] == ["id", "total"]
        for refused in (
            lambda: storage.get_metadata("orders"),
            lambda: storage.get_schema("jan"),
            lambda: storage.append_events_table("orders", make_events(1), EVENTS),
            lambda: storage.append_events_table("jan", make_events(1), EVENTS),
            lambda: storage.drop_table("jan"),
        ):
            with pytest.raises(TableNotFoundError):
                refused()
    assert contents(foreign.parent) == before


def test_the_first_create_puts_our_tables_beside_those_of_the_application(foreign: Path) -> None:
    before = catalog(foreign)
    with StorageEngine(foreign) as storage:
        fill(storage)
        assert [table.name for table in storage.list_tables()] == ["jan", "users"]
        assert storage.execute_rows("SELECT * FROM orders ORDER BY id")[1][0] == 2
        assert storage.execute_rows("SELECT * FROM alembic_version") == [("theirs",)]
    after = catalog(foreign)
    assert [entry for entry in after if entry in before] == before
    assert {"jan", "users", "_metadata"} < {name for name, _ in after}
    with StorageEngine(foreign, read_only=True) as storage:
        assert storage.get_metadata("jan") == EVENTS


def test_a_create_that_fails_leaves_nothing_beside_the_tables_of_the_application(
    foreign: Path,
) -> None:
    before = catalog(foreign)
    with StorageEngine(foreign) as storage, pytest.raises(MixpanelDataError):
        storage.create_events_table("jan", [*make_events(3), {}], EVENTS)
    assert catalog(foreign) == before


@pytest.mark.parametrize("read_only", [False, True])
def test_internal_tables_without_a_revision_are_refused_and_left_alone(
    path: Path, read_only: bool
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE _metadata (table_name VARCHAR PRIMARY KEY, type VARCHAR)")
    before = contents(path.parent)
    with pytest.raises(SchemaUnversionedError) as caught:
        StorageEngine(path, read_only=read_only)
    assert caught.value.path == path
    assert caught.value.found is None
    assert contents(path.parent) == before
    assert catalog(path)[0][0] == "_metadata"  # and the file is free again


@pytest.mark.parametrize("read_only", [False, True])
def test_an_unknown_revision_is_refused_and_left_alone(filled: Path, read_only: bool) -> None:
    with duckdb.connect(str(filled)) as connection:
        connection.execute("UPDATE _mixpanel_data_version SET version_num = 'unknown'")
    before = contents(filled.parent)
    with pytest.raises(SchemaNewerError) as caught:
        StorageEngine(filled, read_only=read_only)
    assert caught.value.path == filled
    assert caught.value.found == "unknown"
    assert isinstance(caught.value, OSError)
    assert contents(filled.parent) == before
    assert len(catalog(filled)) == 4


# Twice in one process


def test_two_engines_on_one_file_see_each_other_and_close_apart(path: Path) -> None:
    with StorageEngine(path) as one:
        with StorageEngine(path) as other:
            one.create_events_table("jan", make_events(20), EVENTS)
            assert other.append_events_table("jan", make_events(25), EVENTS) == 5
            assert [table.row_count for table in one.list_tables()] == [25]
        assert one.append_events_table("jan", make_events(30), EVENTS) == 5
    assert run_python(COUNT_JAN, path) == ["30"]


@posix_only
def test_a_file_reached_through_a_link_is_the_same_file(filled: Path) -> None:
    link = filled.with_name("link.db")
    link.symlink_to(filled)
    with StorageEngine(filled) as one, StorageEngine(link) as other:
        one.append_events_table("jan", make_events(30), EVENTS)
        other.append_events_table("jan", make_events(40), EVENTS)
        assert one.list_tables() == other.list_tables()
    assert run_python(COUNT_JAN, filled) == ["40"]


def test_one_process_cannot_open_a_file_in_two_ways_at_once(filled: Path) -> None:
    with StorageEngine(filled) as storage:
        with pytest.raises(DatabaseFileError):
            StorageEngine(filled, read_only=True)
        with pytest.raises(DatabaseFileError):
            StorageEngine(filled, config={"threads": 1})
        assert storage.append_events_table("jan", make_events(25), EVENTS) == 5
    with StorageEngine(filled, read_only=True), pytest.raises(DatabaseFileError):
        StorageEngine(filled)
