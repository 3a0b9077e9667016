"""A file is opened as the database that it is, or not at all, whatever its name ends in.

DuckDB itself opens ``export.jsonl`` as a database in memory, with a view of the file.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from mixpanel_data import NotADatabaseError, Sandbox, StorageEngine, migrate
from tests.database.test_encryption import open_encrypted
from tests.records import EVENTS, make_events

_DATA = b'{"a": 1}\n'

every_ending = pytest.mark.parametrize(
    "ending",
    [
        *("jsonl", "json", "ndjson", "csv", "tsv", "parquet", "JSONL", "Parquet"),
        *("jsonl.gz", "json.gz", "csv.gz", "tsv.gz", "CSV.GZ", "jsonl.zst", "csv.bz2"),
        *("xlsx", "avro", "db", "duckdb", "txt"),
    ],
)

WAYS: dict[str, Callable[[Path], object]] = {
    "writing": StorageEngine,
    "reading": lambda path: StorageEngine(path, read_only=True),
    "open_existing": lambda path: StorageEngine.open_existing(path, read_only=True),
    "encrypted": open_encrypted,
    "worker": lambda path: StorageEngine(path, read_only=True, sandbox=Sandbox(worker=True)),
    "copy_table": lambda path: _filled().copy_table("jan", path),
    "status": migrate.status,
    "check": migrate.check,
    "upgrade": migrate.upgrade,
}


def _filled() -> StorageEngine:
    storage = StorageEngine.memory()
    storage.create_events_table("jan", make_events(3), EVENTS)
    return storage


def _refused(open_it: Callable[[Path], object], path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotADatabaseError, match="Check the path") as caught:
        open_it(path)
    assert caught.value.path == path
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@every_ending
@pytest.mark.parametrize("content", [_DATA, b"", b"a"], ids=["data", "empty", "short"])
def test_a_file_of_data_is_no_database_whatever_its_ending(
    tmp_path: Path, ending: str, content: bytes
) -> None:
    for way in ("writing", "reading"):
        _refused(WAYS[way], tmp_path / f"export.{ending}", content)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_opening_refuses_a_file_of_data(tmp_path: Path, way: str) -> None:
    _refused(WAYS[way], tmp_path / "export.jsonl", _DATA)


@pytest.mark.parametrize("content", [_DATA, b""], ids=["data", "empty"])
@pytest.mark.parametrize("prefix", ["", "duckdb:"])
def test_the_dialect_refuses_a_file_of_data(tmp_path: Path, content: bytes, prefix: str) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(content)
    engine = create_engine(f"duckdb+mixpanel:///{prefix}{path}")
    with pytest.raises(DBAPIError, match="not a valid DuckDB database file"):
        engine.connect()
    assert path.read_bytes() == content


def test_a_file_of_sqlite_is_no_database_of_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE a (b)")
    other.close()
    _refused(StorageEngine, path, path.read_bytes())


@pytest.mark.parametrize("ending", ["jsonl", "JSON", "csv.gz", "parquet"])
def test_a_new_database_may_have_the_ending_of_data(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"events.{ending}"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    with StorageEngine(path) as storage:
        storage.append_events_table("jan", make_events(5), EVENTS)
    with StorageEngine(path, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 5
    migrate.check(path)
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM jan")) == 5
    engine.dispose()


def test_a_database_may_be_renamed_to_what_looks_like_data(tmp_path: Path) -> None:
    with StorageEngine(tmp_path / "events.db") as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    path = tmp_path / "data.parquet"
    (tmp_path / "events.db").rename(path)
    with StorageEngine(path) as storage:
        storage.delete_events("jan", before="2026-01-01")
        storage.compact()
        storage.create_events_table("feb", make_events(3), EVENTS)
        storage.backup(tmp_path / "copy.csv")
    with StorageEngine(tmp_path / "copy.csv", read_only=True) as copy:
        assert [(table.name, table.row_count) for table in copy.list_tables()] == [
            ("feb", 3),
            ("jan", 0),
        ]


def test_an_encrypted_database_may_have_the_ending_of_data(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with open_encrypted(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        storage.compact()
    with open_encrypted(path, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


def test_a_database_that_the_application_has_open_can_be_shared(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    with StorageEngine(path) as storage, duckdb.connect(str(path)) as other:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert other.execute("SELECT count(*) FROM jan").fetchall() == [(3,)]


def test_a_copy_of_a_damaged_database_is_refused_under_any_name(tmp_path: Path) -> None:
    StorageEngine(tmp_path / "events.db").close()
    path = tmp_path / "folder" / "events.csv"
    path.parent.mkdir()
    shutil.copy(tmp_path / "events.db", path)
    content = path.read_bytes()
    _refused(StorageEngine, path, b"x" * 4096 + content[4096:])
