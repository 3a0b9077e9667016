"""Database files of any name are found, private and whole, with what DuckDB writes beside them."""

from __future__ import annotations

import shutil
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixpanel_data import DatabaseFileError, DatabaseWalError, StorageEngine
from mixpanel_data.common.homes import expanded
from mixpanel_data.common.sidecars import file_of_wal, wal_of
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")

WRITING = """
storage = StorageEngine(sys.argv[1])
storage.execute_rows("CREATE TABLE kept AS SELECT 1 AS n")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.usefixtures("open_umask")
@pytest.mark.parametrize(
    "name", ["u?.db", "?.db", "a.db?x=1", "w??z.db", "p%3f.db", "h#.db", "a b.db"]
)
def test_the_log_is_private_and_found_whatever_the_name(tmp_path: Path, name: str) -> None:
    (folder := tmp_path / "open").mkdir(mode=0o755)
    path = folder / name
    with PythonProcess(WRITING, path) as process:
        process.wait()
    log = wal_of(path)
    assert {each.name for each in folder.iterdir() if each.is_file()} == {name, log.name}
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    shutil.move(path, elsewhere := tmp_path / "elsewhere")
    with pytest.raises(DatabaseWalError):
        StorageEngine(path)
    shutil.move(elsewhere, path)
    with StorageEngine(path) as storage:
        assert storage.execute_rows("FROM kept") == [(1,)]
        assert storage.create_events_table("jan", make_events(3), EVENTS) == 3
    assert [each.name for each in folder.iterdir()] == [name]


def test_a_folder_in_which_duckdb_can_write_no_log_is_told_of(tmp_path: Path) -> None:
    (folder := tmp_path / "d?").mkdir()
    with pytest.raises(DatabaseFileError, match=r"folder with a \? in its name"):
        StorageEngine(folder / "a.db")
    assert not [*folder.iterdir()]
    StorageEngine(tmp_path / "a.db").close()
    shutil.copy(tmp_path / "a.db", folder)
    with StorageEngine(folder / "a.db", read_only=True) as storage:
        assert storage.list_tables() == []


@given(name=st.text(st.sampled_from("a?./~ "), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_log_belongs_to_its_database(name: str) -> None:
    assert file_of_wal(wal_of(Path(name))) == Path(name)


def test_only_a_path_that_begins_with_a_tilde_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(home := tmp_path / "home"))
    (work := tmp_path / "here").mkdir()
    (work / "~").mkdir()
    home.mkdir()
    monkeypatch.chdir(work)
    for given_path, made in {
        "~/a.db": home / "a.db",
        "./~/a.db": work / "~" / "a.db",
        "./~a.db": work / "~a.db",
        "../here/~/b.db": work / "~" / "b.db",
    }.items():
        with StorageEngine(given_path) as storage:
            storage.create_events_table("jan", make_events(3), EVENTS)
            storage.export("jan", f"{given_path}.csv")
        assert made.is_file()
        assert made.with_name(f"{made.name}.csv").is_file()
        assert expanded(expanded(given_path)) == expanded(given_path)
    with pytest.raises(DatabaseFileError, match=r"use \./~|write \./~"):
        StorageEngine("~no-such-user/a.db")


def test_a_name_that_is_no_utf8_is_told_without_codecs() -> None:
    with pytest.raises(DatabaseFileError, match="is not valid UTF-8, which DuckDB needs"):
        StorageEngine("lat\udce9.db")
