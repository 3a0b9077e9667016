"""Real faults: every test here breaks something, then checks what is left.

``--rounds`` says how often what happens at random moments is tried.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.records import EVENTS, PROFILES, make_events, make_profiles

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="faults as POSIX has them")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=40, help="Rounds of each random fault.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(posix_only)


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often to try what happens at random moments."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture(autouse=True)
def nothing_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The temporary folder of the test and of its processes, empty again at the end.

    This process, which opens what others have broken, keeps no thread and no descriptor either, but
    for those that hear Ctrl-C, which it has from its first statement on.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with StorageEngine.memory() as engine:
        engine.execute_scalar("SELECT 1")
    threads = set(threading.enumerate())
    descriptors = open_files()
    yield temporary
    assert set(threading.enumerate()) <= threads
    assert [name for name in open_files() if name not in descriptors] == []
    assert list(temporary.iterdir()) == []


def open_files() -> list[str]:
    """Return the files that this process has open, as far as the system tells."""
    folder = Path("/proc/self/fd")
    names = [link.readlink() for link in folder.glob("*") if link.is_symlink()]
    return sorted(str(name) for name in names if name.is_absolute() and name.parts[1] != "proc")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database file may be made, alone in its folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "events.db"


@pytest.fixture
def database_file(path: Path) -> Path:
    """A database file with two tables, closed."""
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3000), EVENTS)
        storage.create_profiles_table("users", make_profiles(300), PROFILES)
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own with room for 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=16m,mode=700", "none", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def mount(*arguments: str) -> None:
    """Mount a file system, or skip the test where that is not allowed."""
    try:
        subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        problem = getattr(error, "stderr", None) or str(error)
        pytest.skip(f"cannot mount a file system here: {problem.strip()}")
