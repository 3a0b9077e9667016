"""Where the file of an engine is, and who may read it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mixpanel_data import (
    StorageEngine,
)
from tests.files import permissions_of
from tests.storage.helpers import fill, posix_only


def test_without_path_and_project_id_the_error_names_the_alternatives() -> None:
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
        assert permissions_of(home / ".mixpanel_data") == 0o700
        assert permissions_of(home / ".mixpanel_data" / "1.db") == 0o600
    assert permissions_of(home / ".mixpanel_data" / "1.db") == 0o600


@posix_only
@pytest.mark.usefixtures("open_umask")
def test_a_new_file_and_its_new_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.db"
    with StorageEngine(path):
        assert permissions_of(path.parent) == 0o700
        assert permissions_of(path) == 0o600


@posix_only
def test_the_permissions_of_a_file_that_is_there_are_left_alone(database_file: Path) -> None:
    database_file.chmod(0o664)
    with StorageEngine(database_file):
        pass
    assert permissions_of(database_file) == 0o664


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


def test_a_path_takes_precedence_over_a_project_id(home: Path, path: Path) -> None:
    with StorageEngine(path, project_id="1") as storage:
        assert storage.path == path
    assert list(home.iterdir()) == []


def test_memory_as_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"StorageEngine\.memory\(\)"):
        StorageEngine(":memory:")
    assert list(tmp_path.iterdir()) == []


def test_in_memory_databases_are_independent(path: Path) -> None:
    with StorageEngine.memory() as one, StorageEngine.memory() as other:
        fill(one)
        assert other.list_tables() == []
        assert one.path is None
