"""Files that are removed, replaced or damaged while an engine has them open."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mixpanel_data import (
    DatabaseCorruptError,
    DatabaseMovedError,
    DatabaseNotFoundError,
    MixpanelDataError,
    StorageEngine,
)
from tests.faults.aftermath import contents_of, reopened
from tests.records import EVENTS, Record, make_events


def remove(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_name("other.db"))


def replace(path: Path) -> None:
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("moved"))


GONE = [remove, rename, replace, move_folder]


@pytest.mark.parametrize("take_away", GONE)
def test_nothing_is_written_to_a_file_that_is_not_in_its_place(
    take_away: Callable[[Path], None], database_file: Path
) -> None:
    with StorageEngine(database_file) as storage:
        before = contents_of(storage)
        take_away(database_file)
        unread = iter(make_events(10))
        for write in (
            lambda: storage.create_events_table("feb", unread, EVENTS),
            lambda: storage.append_events_table("jan", unread, EVENTS),
            lambda: storage.drop_table("jan"),
        ):
            with pytest.raises(DatabaseMovedError, match="Nothing was written") as caught:
                write()
            assert caught.value.path == database_file
        assert len(list(unread)) == 10
        assert contents_of(storage) == before  # it can still be read, and saved


def test_a_load_whose_file_is_removed_meanwhile_says_so(database_file: Path) -> None:
    def data() -> Iterator[Record]:
        yield from make_events(5000, 5000)
        database_file.unlink()
        yield from make_events(5000, 10_000)

    with StorageEngine(database_file) as storage:
        with pytest.raises(DatabaseMovedError):
            storage.append_events_table("jan", data(), EVENTS)
        assert len(contents_of(storage)["jan"]) == 3000
    with pytest.raises(DatabaseNotFoundError):
        StorageEngine.open_existing(database_file)


def test_a_file_that_is_put_back_takes_rows_again(database_file: Path) -> None:
    away = database_file.with_name("away.db")
    with StorageEngine(database_file) as storage:
        database_file.rename(away)
        with pytest.raises(DatabaseMovedError):
            storage.append_events_table("jan", make_events(3010), EVENTS)
        away.rename(database_file)
        assert storage.append_events_table("jan", make_events(3010), EVENTS) == 10
    assert len(reopened(database_file)["jan"]) == 3010


def test_a_relative_path_still_works_after_changing_the_folder(
    database_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(database_file.parent)
    with StorageEngine(database_file.name) as storage:
        assert storage.append_events_table("jan", make_events(3010), EVENTS) == 10
    with StorageEngine(database_file.name) as storage:
        monkeypatch.chdir(tmp_path)
        assert storage.append_events_table("jan", make_events(3020), EVENTS) == 10


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def cut(path: Path) -> None:
    os.truncate(path, 300_000)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.randbytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [truncate, cut, overwrite])
def test_a_damaged_file_raises_instead_of_giving_wrong_rows(
    damage: Callable[[Path], None], database_file: Path
) -> None:
    everything = "SELECT sum(length(properties)), max(event_time) FROM jan"
    with StorageEngine(database_file) as storage:
        damage(database_file)
        for _ in range(2):
            with pytest.raises(DatabaseCorruptError, match="estore a copy") as caught:
                storage.execute_rows(everything)
            assert isinstance(caught.value, OSError)
            assert caught.value.path == database_file
        with pytest.raises(MixpanelDataError):
            storage.append_events_table("jan", make_events(3010), EVENTS)
    with pytest.raises(DatabaseCorruptError):
        StorageEngine(database_file)


@pytest.mark.parametrize("damage", [remove, truncate, overwrite])
def test_a_log_that_is_damaged_costs_nothing_when_the_engine_is_closed(
    damage: Callable[[Path], None], database_file: Path
) -> None:
    with StorageEngine(database_file) as storage:
        storage.append_events_table("jan", make_events(3010), EVENTS)
        damage(database_file.with_name(f"{database_file.name}.wal"))
        storage.append_events_table("jan", make_events(3020), EVENTS)
    assert len(reopened(database_file)["jan"]) == 3020
