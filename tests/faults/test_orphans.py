"""Ephemeral databases of dead processes go; those of living ones, and of other users, stay."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.conftest import EVENTS, make_events
from tests.processes import ROOT, PythonProcess

#: Has an ephemeral database, until it is told to end.
OWNING = """
with StorageEngine.ephemeral() as storage:
    storage.create_events_table("jan", make_events(100), EVENTS)
    say(storage.path.parent)
    sys.stdin.readline()
    say(storage.append_events_table("jan", make_events(110), EVENTS))
"""


def open_another() -> None:
    """Do what removes orphans."""
    StorageEngine.ephemeral().close()


def leave_orphan() -> Path:
    """Return the folder of a process that was killed."""
    with PythonProcess(OWNING) as process:
        folder = Path(process.read())
        process.kill()
    assert folder.exists()
    return folder


def test_what_a_killed_process_left_is_removed_by_the_next() -> None:
    orphan = leave_orphan()
    open_another()
    assert not orphan.exists()


def test_a_clean_up_that_is_cut_off_is_finished_by_the_next() -> None:
    orphan = leave_orphan()
    for file in orphan.iterdir():
        if file.name != "owner.lock":
            file.unlink()
    open_another()
    assert not orphan.exists()


def test_what_a_living_process_uses_stays_though_it_looks_old(nothing_leaks: Path) -> None:
    with PythonProcess(OWNING) as process:
        folder = Path(process.read())
        for file in [*folder.iterdir(), folder]:
            os.utime(file, (0, 0))
        open_another()
        assert folder.exists()
        process.write()
        assert process.read() == "10"
        assert process.wait() == 0


def test_the_number_of_a_process_proves_nothing(nothing_leaks: Path) -> None:
    # Whoever has the number of a dead owner now, no process is asked for: the lock decides.
    orphan = leave_orphan()
    (orphan / "owner.lock").write_text(str(os.getpid()))
    open_another()
    assert not orphan.exists()


def test_a_living_process_in_another_container_keeps_its_database() -> None:
    # Its processes have other numbers, which mean nothing here, and it has a host name of its own.
    contained = ["unshare", "--pid", "--fork", "--uts", "--mount-proc"]
    if subprocess.run([*contained, "true"], capture_output=True, check=False).returncode:
        pytest.skip("cannot make namespaces here")
    names = "from mixpanel_data import *\nfrom tests.conftest import *\nimport os, sys\n"
    say = "def say(*words):\n    print(*words, flush=True)\nsay(os.getpid())\n"
    with subprocess.Popen(
        [*contained, sys.executable, "-c", names + say + OWNING],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        folder = Path(process.stdout.readline().strip())
        open_another()
        assert folder.exists()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "10\n"
        process.kill()  # kills the only process of the container with it
    open_another()
    assert not folder.exists()


def test_what_another_user_left_is_not_touched(nothing_leaks: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give files to another user")
    orphan = leave_orphan()
    for file in [*orphan.iterdir(), orphan]:
        os.chown(file, 65534, 65534)
    left = sorted(orphan.iterdir())
    open_another()
    assert sorted(orphan.iterdir()) == left
    shutil.rmtree(orphan)


def test_a_link_of_another_user_to_our_files_is_not_followed(
    tmp_path: Path, nothing_leaks: Path
) -> None:
    orphan = leave_orphan().rename(tmp_path / "elsewhere")
    link = nothing_leaks / "mixpanel_data-link"
    link.symlink_to(orphan)
    left = sorted(orphan.iterdir())
    open_another()
    assert sorted(orphan.iterdir()) == left
    link.unlink()


def test_orphans_do_not_keep_a_new_database_from_being_used() -> None:
    orphans = [leave_orphan() for _ in range(3)]
    with StorageEngine.ephemeral() as storage:
        assert not any(orphan.exists() for orphan in orphans)
        assert storage.create_events_table("jan", make_events(10), EVENTS) == 10
