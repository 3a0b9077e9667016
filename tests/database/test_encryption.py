"""Encrypted files, which nobody can read without their key.

DuckDB encrypts with OpenSSL, which is in its extension httpfs. If there is no wheel of that for the
installed DuckDB, these tests use DuckDB's built-in library, which has no safe source of random
numbers, but the same format and the same errors.
"""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import inspect

from mixpanel_data import (
    DatabaseLockedError,
    EncryptionKeyError,
    EncryptionUnavailableError,
    QueryError,
    Sandbox,
    SandboxError,
    SchemaOlderError,
    Secret,
    StorageEngine,
    migrate,
)
from tests.records import EVENTS, PROFILES, make_events, make_profiles

ROOT = Path(__file__).parents[2]
KEY = "correct horse battery staple"
OTHER_KEY = "Tr0ub4dor&3"
HAS_OPENSSL = find_spec("duckdb_extension_httpfs") is not None
CONFIG: dict[str, Any] = {} if HAS_OPENSSL else {"force_mbedtls_unsafe": True}

#: What every event of the tests has in its properties.
PLAIN_TEXT = b"Firefox"


def open_encrypted(path: Path, key: str | Secret = KEY, **options: Any) -> StorageEngine:
    """Open a file, or make one, with whatever this DuckDB has to encrypt it."""
    config = {**CONFIG, **options.pop("config", {})}
    return StorageEngine(path, encryption_key=key, config=config, **options)


def url(path: Path) -> str:
    """Return the URL of a file with the same settings, for migrations."""
    return f"duckdb+mixpanel:///{path}" + ("" if HAS_OPENSSL else "?force_mbedtls_unsafe=true")


PROGRAM = """
import sys
from pathlib import Path
from tests.database.test_encryption import *

with open_encrypted(Path(sys.argv[1]), read_only={read_only}) as storage:
    {body}
"""


def in_another_process(path: Path, body: str, *, read_only: bool = False) -> str:
    """Run lines of Python over the open file in a process of their own."""
    program = PROGRAM.format(body=body, read_only=read_only)
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def encrypted(path: Path) -> Path:
    """An encrypted file with a table of three events."""
    with open_encrypted(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    return path


@pytest.fixture
def plain(path: Path) -> Path:
    """A file of the same contents that is not encrypted."""
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    return path


# Opening


def test_what_was_stored_comes_back_with_the_key(encrypted: Path) -> None:
    with open_encrypted(encrypted) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3
        assert storage.execute_scalar("SELECT properties->>'$.\"$browser\"' FROM jan") == "Firefox"


def test_an_existing_file_is_opened_with_its_key(encrypted: Path) -> None:
    with StorageEngine.open_existing(encrypted, encryption_key=KEY, config=CONFIG) as storage:
        assert [table.name for table in storage.list_tables()] == ["jan"]


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    ("key", "state", "message"),
    [(None, "missing", "Open it with encryption_key"), (OTHER_KEY, "wrong", "another key")],
)
def test_an_encrypted_file_opens_only_with_its_key(
    key: str | None, state: str, message: str, read_only: bool, encrypted: Path
) -> None:
    before = encrypted.read_bytes()
    with pytest.raises(EncryptionKeyError, match=message) as caught:
        StorageEngine(encrypted, encryption_key=key, read_only=read_only, config=CONFIG)
    assert caught.value.state == state
    assert caught.value.path == encrypted
    assert caught.value.details["state"] == state
    assert encrypted.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_plain_file_does_not_take_a_key(read_only: bool, plain: Path) -> None:
    before = plain.read_bytes()
    with pytest.raises(EncryptionKeyError, match="not encrypted") as caught:
        open_encrypted(plain, read_only=read_only)
    assert caught.value.state == "needless"
    assert plain.read_bytes() == before


def test_without_what_duckdb_needs_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)  # as if not installed
    monkeypatch.setenv("HOME", str(tmp_path / "home"))  # nor by DuckDB
    with pytest.raises(EncryptionUnavailableError, match=r"mixpanel_data\[encryption\]"):
        StorageEngine(tmp_path / "new" / "folder" / "events.db", encryption_key=KEY)
    assert list(tmp_path.iterdir()) == []


def test_reading_needs_no_extension(encrypted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with StorageEngine(encrypted, encryption_key=KEY, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


@pytest.mark.skipif(not HAS_OPENSSL, reason="there is no wheel of httpfs for this DuckDB")
def test_the_wheel_of_the_extension_is_found_and_loaded(path: Path) -> None:
    with StorageEngine(path, encryption_key=KEY) as storage:
        query = "SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'httpfs'"
        assert storage.execute_scalar(query) is True


def test_an_empty_key_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="key is empty"):
        StorageEngine(path, encryption_key="")
    assert not path.exists()


@pytest.mark.parametrize(
    "key", ['it\'s "quoted"', "Schlüssel 🔑", "\\x41", "a\0b", "$key", "x" * 1000]
)
def test_a_key_is_any_text(key: str, path: Path) -> None:
    open_encrypted(path, key).close()
    with open_encrypted(path, key) as storage:
        assert storage.list_tables() == []
    with pytest.raises(EncryptionKeyError):
        open_encrypted(path, key[:1])


@pytest.mark.parametrize("key", [KEY, base64.b64encode(bytes(range(32))).decode()])
def test_duckdb_opens_the_file_with_the_same_key(key: str, path: Path) -> None:
    with open_encrypted(path, key) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS e (ENCRYPTION_KEY '{key}', READ_ONLY)")
        assert connection.execute("SELECT count(*) FROM e.jan").fetchone() == (3,)


@pytest.mark.parametrize("name", ["memory.db", "Memory.x.db", "temp.db", "main", 'it\'s a "b".db'])
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    with open_encrypted(tmp_path / name) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    with open_encrypted(tmp_path / name) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


# Everything else is as with other files


def test_tables_are_created_appended_inspected_and_dropped(path: Path) -> None:
    with open_encrypted(path) as storage:
        storage.create_events_table("jan", make_events(100), EVENTS)
        assert storage.append_events_table("jan", make_events(100, start=50), EVENTS) == 50
        storage.create_profiles_table("users", make_profiles(3), PROFILES)
        assert [table.row_count for table in storage.list_tables()] == [150, 3]
        assert storage.get_schema("jan").columns[0].name == "event_name"
        storage.drop_table("users")
        assert len(storage.execute_df("FROM jan")) == 150
        assert len(storage.execute("FROM jan").fetchall()) == 150
        with pytest.raises(QueryError):
            storage.execute_rows("FROM users")


def test_sessions_and_reflection_work(encrypted: Path) -> None:
    with open_encrypted(encrypted) as storage:
        inspector = inspect(storage.engine)
        assert inspector.get_schema_names() == ["main"]
        assert inspector.get_pk_constraint("jan")["constrained_columns"] == ["insert_id"]
        with storage.session() as session:
            found = session.query(storage.model("jan")).all()
        assert {event.properties["$browser"] for event in found} == {"Firefox"}


def test_the_tables_of_a_plain_file_can_be_copied(tmp_path: Path, plain: Path) -> None:
    with StorageEngine(plain) as other, open_encrypted(tmp_path / "new.db") as storage:
        storage.create_events_table("jan", other.execute("FROM jan"), EVENTS)
        query = "FROM jan ORDER BY insert_id"
        assert storage.execute_rows(query) == other.execute_rows(query)


def test_connections_of_all_kinds_see_the_same_database(encrypted: Path) -> None:
    with open_encrypted(encrypted) as storage, storage.engine.connect() as connection:
        storage.connection.execute("CREATE TABLE notes AS SELECT 1 AS id")
        assert connection.exec_driver_sql("SELECT id FROM notes").scalar() == 1
        assert storage.execute_scalar("SELECT id FROM notes") == 1


def test_closing_releases_the_file_and_leaves_nothing_beside_it(encrypted: Path) -> None:
    storage = open_encrypted(encrypted)
    storage.append_events_table("jan", make_events(10), EVENTS)
    with pytest.raises(DatabaseLockedError):
        open_encrypted(encrypted)
    storage.close()
    assert list(encrypted.parent.iterdir()) == [encrypted]
    assert in_another_process(encrypted, "print(storage.list_tables()[0].row_count)") == "10"


def test_a_file_that_another_process_has_open_is_locked(encrypted: Path) -> None:
    with open_encrypted(encrypted), pytest.raises(subprocess.CalledProcessError) as caught:
        in_another_process(encrypted, "pass")
    assert "DatabaseLockedError" in caught.value.stderr


def test_opening_waits_for_a_file_that_is_locked(encrypted: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            PROGRAM.format(body="print(flush=True); input()", read_only=False),
            str(encrypted),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(DatabaseLockedError) as caught:
        open_encrypted(encrypted)
    assert caught.value.pid == holder.pid
    assert holder.stdin is not None
    holder.stdin.close()
    with open_encrypted(encrypted, lock_timeout=60) as storage:
        assert len(storage.list_tables()) == 1
    holder.stdout.close()
    holder.wait()


def test_several_engines_read_at_once(encrypted: Path) -> None:
    with (
        open_encrypted(encrypted, read_only=True) as storage,
        open_encrypted(encrypted, read_only=True) as other,
    ):
        assert storage.list_tables() == other.list_tables()
        body = "print(storage.list_tables()[0].row_count)"
        assert in_another_process(encrypted, body, read_only=True) == "3"


def test_what_a_killed_process_has_committed_is_there(encrypted: Path) -> None:
    append = 'storage.append_events_table("jan", make_events(10), EVENTS)'
    body = f"{append}; import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(subprocess.CalledProcessError):
        in_another_process(encrypted, body)
    assert encrypted.with_name("events.db.wal").stat().st_size > 0
    with open_encrypted(encrypted) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 10


def test_the_sandbox_works(encrypted: Path, tmp_path: Path) -> None:
    with open_encrypted(encrypted, sandbox=Sandbox()) as storage:
        storage.append_events_table("jan", make_events(10), EVENTS)
        storage.create_events_table("feb", make_events(10), EVENTS)
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 10
        for refused in (f"COPY jan TO '{tmp_path}/jan.csv'", f"ATTACH '{tmp_path}/other.db'"):
            with pytest.raises(SandboxError):
                storage.execute_rows(refused)
        with pytest.raises(SandboxError, match="no table of the database"):
            storage.execute_rows(f"FROM '{tmp_path}/jan.csv'")
        settings = storage.execute_rows(
            "SELECT current_setting('enable_external_access'), "
            "current_setting('lock_configuration'), current_setting('threads')"
        )
    assert settings == [(False, True, Sandbox().threads)]


def test_migrations_take_the_key(encrypted: Path) -> None:
    with pytest.raises(EncryptionKeyError):
        migrate.status(encrypted)
    assert migrate.downgrade(url(encrypted), "0001", encryption_key=KEY).after == "0001"
    assert migrate.status(encrypted, encryption_key=KEY).state == "older"
    assert migrate.history(encrypted, encryption_key=KEY)[-1].applied is False
    with pytest.raises(SchemaOlderError):
        open_encrypted(encrypted)
    assert migrate.upgrade(url(encrypted), encryption_key=KEY).before == "0001"
    migrate.check(encrypted, encryption_key=KEY)
    assert list(encrypted.parent.iterdir()) == [encrypted]


def test_the_alembic_command_takes_the_key_from_the_environment(
    encrypted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(ROOT / "alembic.ini")
    monkeypatch.setenv("MIXPANEL_DATA_URL", url(encrypted))
    with pytest.raises(CommandError, match="encrypted"):
        command.downgrade(config, "0001")
    monkeypatch.setenv("MIXPANEL_DATA_ENCRYPTION_KEY", KEY)
    command.downgrade(config, "0001")
    assert migrate.status(encrypted, encryption_key=KEY).revision == "0001"


def test_opening_migrates_an_older_file(encrypted: Path) -> None:
    migrate.downgrade(url(encrypted), "0001", encryption_key=KEY)
    with open_encrypted(encrypted, migrate=True) as storage:
        assert storage.schema_revision == migrate.status(storage).head


def test_an_engine_needs_no_key_for_migrations(encrypted: Path) -> None:
    with open_encrypted(encrypted) as storage:
        migrate.check(storage)
        with pytest.raises(ValueError, match="open already"):
            migrate.check(storage, encryption_key=KEY)


@pytest.mark.skipif(not HAS_OPENSSL, reason="there is no wheel of httpfs for this DuckDB")
def test_a_backup_is_encrypted_with_the_same_key(encrypted: Path) -> None:
    copy = migrate.downgrade(encrypted, "0001", backup=True, encryption_key=KEY).backup
    assert copy is not None
    assert PLAIN_TEXT not in copy.read_bytes()
    with open_encrypted(copy) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


def test_an_open_database_is_copied_with_the_means_to_encrypt_that_it_has(
    tmp_path: Path,
) -> None:
    config = {"force_mbedtls_unsafe": True}
    with StorageEngine(tmp_path / "a.db", encryption_key=KEY, config=config) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        copy = storage.backup(tmp_path / "copy.db")
    assert PLAIN_TEXT not in copy.read_bytes()
    with StorageEngine(copy, encryption_key=KEY, config=config) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


# No plain text on the disk


@pytest.mark.parametrize("make", [StorageEngine, open_encrypted])
def test_no_file_holds_plain_text(make: Callable[..., StorageEngine], path: Path) -> None:
    with make(path, config={**CONFIG, "memory_limit": "60MB", "threads": 1}) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)  # small, so it is in the log
        storage.connection.execute(
            "CREATE TEMP TABLE big AS SELECT 'Firefox' || repeat(md5(i::VARCHAR), 10) AS text "
            "FROM range(400_000) AS numbers(i)"  # too big for the memory
        )
        log, *spilled = [
            path.with_name("events.db.wal"),
            *path.with_name("events.db.tmp").iterdir(),
        ]
        found = {
            "log": PLAIN_TEXT in log.read_bytes(),
            "spilled": any(PLAIN_TEXT in file.read_bytes() for file in spilled),
        }
        assert spilled
    found["database"] = PLAIN_TEXT in path.read_bytes()
    assert set(found.values()) == {make is StorageEngine}


# The key is seen nowhere


@pytest.mark.parametrize(
    "fail",
    [
        lambda path: StorageEngine(path, encryption_key=OTHER_KEY, config=CONFIG),
        lambda path: StorageEngine(path, encryption_key=OTHER_KEY, lock_timeout=-1),
        lambda path: StorageEngine(path, encryption_key=OTHER_KEY, config={"nothing": 1}),
        lambda path: StorageEngine(path, encryption_key=OTHER_KEY, migrate=True, read_only=True),
        lambda path: StorageEngine(
            path.with_name("gone.db"), encryption_key=OTHER_KEY, read_only=True
        ),
        lambda path: StorageEngine.open_existing(path, encryption_key=OTHER_KEY, read_only=True),
        lambda path: StorageEngine.open_existing("/none", encryption_key=OTHER_KEY),
        lambda path: migrate.status(path, encryption_key=OTHER_KEY),
        lambda path: migrate.check(path, encryption_key=OTHER_KEY),
        lambda path: migrate.history(path, encryption_key=OTHER_KEY),
        lambda path: migrate.upgrade(path, encryption_key=OTHER_KEY, backup=True),
        lambda path: migrate.downgrade(path, "base", encryption_key=OTHER_KEY),
    ],
)
def test_no_error_shows_the_key_nor_do_the_variables_in_its_traceback(
    fail: Callable[[Path], object], encrypted: Path
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (all kinds)
        fail(encrypted)
    shown = "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )
    assert "Secret(...)" in shown
    assert OTHER_KEY not in shown
    assert Secret(OTHER_KEY).escaped() not in shown.replace("\\\\", "\\")


def test_no_name_log_setting_or_repr_shows_the_key(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with open_encrypted(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        database = vars(storage)["_database"]
        shown = [storage, storage.engine, vars(storage.engine), storage.engine.url, vars(database)]
        shown += [
            storage.execute_rows(f"FROM {function}()")
            for function in ("duckdb_databases", "duckdb_settings", "duckdb_variables")
        ]
    assert KEY not in repr(shown)
    assert KEY not in caplog.text


def test_the_query_log_of_duckdb_does_not_show_the_key(path: Path) -> None:
    with open_encrypted(path) as storage:
        storage.connection.execute("CALL enable_logging(level = 'trace')")
        storage.create_events_table("jan", make_events(3), EVENTS)
        logged = storage.execute_rows("FROM duckdb_logs")
    assert "CREATE TABLE" in repr(logged)
    assert KEY not in repr(logged)


def test_an_application_can_hide_its_key_itself(path: Path) -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r}"
    open_encrypted(path, secret).close()
    with open_encrypted(path, KEY) as storage:
        assert storage.list_tables() == []
