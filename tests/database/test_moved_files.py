"""A file that is removed, renamed or replaced: nothing that is written to it is lost in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from mixpanel_data import DatabaseMovedError, QueryError, StorageEngine
from mixpanel_data.database import opener
from tests.records import EVENTS, make_events


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("other.db"))


def replace(path: Path) -> None:
    with StorageEngine(path.with_name("new.db")) as new:
        new.execute_rows("CREATE TABLE v AS SELECT 'new' x")
    path.with_name("new.db").replace(path)


GONE = [remove, rename, replace]
CHANGES = [
    "INSERT INTO v VALUES ('lost')",
    "UPDATE v SET x = 'lost'",
    "DELETE FROM v",
    "INSERT INTO v VALUES ('lost') RETURNING x",
    "CREATE TABLE w (a INTEGER)",
    "CREATE VIEW w AS FROM v",
    "ALTER TABLE v ADD COLUMN y INTEGER",
    "DROP TABLE v",
    "MERGE INTO v USING (SELECT 'old' x) USING (x) WHEN MATCHED THEN DELETE",
    "SELECT 1; DELETE FROM v",
    "COPY v FROM 'lost.csv'",
]


@pytest.fixture
def storage(path: Path) -> Iterator[StorageEngine]:
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE TABLE v AS SELECT 'old' x")
        storage.create_events_table("jan", make_events(3), EVENTS)
        yield storage


@pytest.mark.parametrize("take_away", GONE)
def test_sql_that_would_be_lost_is_refused_and_reading_goes_on(
    storage: StorageEngine, path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(path)
    for change in CHANGES:
        with pytest.raises(DatabaseMovedError, match="Nothing was written") as caught:
            storage.execute_rows(change)
        assert caught.value.path == path
    with pytest.raises(QueryError):
        storage.execute_rows("DELETE nothing of sense")
    assert storage.execute_rows("FROM v") == [("old",)]
    with storage.session() as session:
        assert session.execute(text('SELECT x AS "delete" FROM v')).scalar() == "old"
        session.commit()


@pytest.mark.parametrize("take_away", GONE)
@pytest.mark.parametrize("change", ["INSERT INTO v VALUES ('lost')", "DROP TABLE v"])
def test_a_transaction_whose_file_goes_before_its_commit_is_rolled_back(
    storage: StorageEngine, path: Path, take_away: Callable[[Path], None], change: str
) -> None:
    with storage.session() as session:
        session.execute(text("FROM v"))
        session.execute(text(change))
        take_away(path)
        with pytest.raises(DatabaseMovedError):
            session.commit()
    assert storage.execute_rows("FROM v") == [("old",)]


def test_what_is_in_a_removed_file_can_be_saved(
    storage: StorageEngine, path: Path, tmp_path: Path
) -> None:
    path.unlink()
    with StorageEngine(tmp_path / "saved.db") as saved:
        storage.copy_table("jan", saved)
        assert saved.execute_scalar("SELECT count(*) FROM jan") == 3
    storage.export("FROM jan", tmp_path / "jan.parquet")
    with storage.engine.begin() as connection:
        connection.exec_driver_sql(f"COPY v TO '{tmp_path / 'v.csv'}'")
    storage.execute_rows(f"ATTACH '{tmp_path / 'sql.db'}' AS saved")
    storage.execute_rows("CREATE TABLE saved.v AS FROM v")
    assert storage.execute_rows("FROM saved.v") == [("old",)]


def test_an_engine_of_the_application_loses_nothing_either(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE v AS SELECT 'old' x")
    with engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM v")
        path.unlink()
        with pytest.raises(DatabaseMovedError):
            connection.commit()
        connection.rollback()
        with pytest.raises(DatabaseMovedError):
            connection.exec_driver_sql("DELETE FROM v")
        connection.rollback()
        assert connection.exec_driver_sql("FROM v").all() == [("old",)]
    engine.dispose()


@pytest.mark.parametrize("take_away", GONE)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_backup_of_a_moved_file_says_how_to_save_its_tables(
    path: Path, take_away: Callable[[Path], None], tmp_path: Path, read_only: bool
) -> None:
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE TABLE v AS SELECT 'old' x")
    with StorageEngine(path, read_only=read_only) as storage:
        take_away(path)
        with pytest.raises(DatabaseMovedError, match="copy_table"):
            storage.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_works_from_another_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    with StorageEngine(path.name) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        with StorageEngine(storage.backup("copy.db")) as copy:
            assert copy.execute_scalar("SELECT count(*) FROM jan") == 3


@pytest.mark.parametrize("take_away", GONE)
def test_a_new_engine_never_reads_the_file_that_was_at_its_path_before(
    path: Path, take_away: Callable[[Path], None]
) -> None:
    with StorageEngine(path) as old:
        old.execute_rows("CREATE TABLE v AS SELECT 'old' x")
    with StorageEngine(path, read_only=True) as old:
        take_away(path)
        there = path.exists()
        for open_again in (
            lambda: StorageEngine(path, read_only=there),
            lambda: create_engine(f"duckdb+mixpanel:///{path}").connect(),
        ):
            with pytest.raises(DatabaseMovedError, match="Close its engines"):
                open_again()
        assert path.exists() == there
        assert old.execute_rows("FROM v") == [("old",)]
    with StorageEngine(path) as new:
        assert new.execute_rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'v'") == [
            (int(there),)
        ]


@pytest.mark.parametrize("gone", [Path.unlink, rename])
def test_a_file_that_goes_while_it_is_opened_is_a_typed_error(
    path: Path, gone: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = opener._opened_by_duckdb

    def losing(*args: Any, **options: Any) -> opener.OpenDatabase:
        opened = opening(*args, **options)
        gone(path)
        return opened

    monkeypatch.setattr(opener, "_opened_by_duckdb", losing)
    for _ in range(2):
        with pytest.raises(DatabaseMovedError):
            StorageEngine(path)
    monkeypatch.undo()
    assert not path.exists()
    with StorageEngine(path) as storage:
        assert storage.list_tables() == []


def test_a_file_that_is_put_back_can_be_changed_again(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.execute_rows("CREATE TABLE v AS SELECT 'old' x")
        other = path.with_name("other.db")
        path.rename(other)
        other.rename(path)
        storage.execute_rows("DELETE FROM v")
    with StorageEngine(path) as storage:
        assert storage.execute_rows("FROM v") == []
