"""Ephemeral databases of dead processes are removed; those of live ones and other users stay.

Moments are chosen by Python's audit events, which are raised just before the call that they name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.faults.test_signals import EXITING
from tests.processes import ROOT, PythonProcess, run_python
from tests.records import EVENTS, make_events

#: Has an ephemeral database, until it is told to end.
OWNING = """
with StorageEngine.ephemeral() as storage:
    storage.create_events_table("jan", make_events(100), EVENTS)
    say(storage.path.parent)
    sys.stdin.readline()
    say(storage.append_events_table("jan", make_events(110), EVENTS))
"""


#: Strikes, once, just before a call.
AT_MOMENT = """
import os, signal, subprocess, sys
moment, word = sys.argv[1:3]
todo = [strike]
def watch(event, arguments):
    if todo and event == moment and word in str(arguments[0]):
        todo.pop()()
sys.addaudithook(watch)
"""
KILLED = f"""
def strike():
    os.kill(os.getpid(), signal.SIGKILL)
{AT_MOMENT}
"""
TERMINATED = KILLED.replace("SIGKILL", "SIGTERM")
MAKING_ONE = "StorageEngine.ephemeral().close()"
SWEEPING = "from mixpanel_data.database.ephemeral import remove_orphans; remove_orphans()"

#: Makes one while another process sweeps, at that moment, with the script and what follows it.
SWEPT = f"""
def strike():
    assert subprocess.run([sys.executable, "-c", *sys.argv[3:]]).returncode in (0, -signal.SIGKILL)
{AT_MOMENT}
def open_files():
    "All but pipes: one of these stays open, to hear Ctrl-C."
    return [name for name in map(name_of, os.listdir("/proc/self/fd")) if "pipe:" not in name]
def name_of(descriptor):
    try:
        return os.readlink("/proc/self/fd/" + descriptor)
    except OSError:
        return "pipe: of the listing"
open_before = len(open_files())
with StorageEngine.ephemeral() as storage:
    assert not todo
    say((storage.path.parent / "owner.lock").exists())
    say(storage.create_events_table("jan", make_events(100), EVENTS))
say(len(open_files()) - open_before)
"""

#: Moments while a folder is made, and while it is removed.
MAKING = [
    ("open", "owner.lock"),
    ("fcntl.flock", ""),
    ("os.rename", "temporary/.mixpanel_data-"),
]
REMOVING = [
    ("os.rename", "temporary/mixpanel_data-"),
    ("os.remove", "ephemeral.db"),
    ("os.remove", "owner.lock"),
    ("os.rmdir", "temporary/.mixpanel_data-"),
]

#: Many that make folders as fast as they can, and look whether theirs is there; many that sweep.
CROWD = """
import time, traceback
from mixpanel_data.database.ephemeral import EphemeralFolder, remove_orphans
end = time.monotonic() + float(sys.argv[1])
folders = []
sys.addaudithook(lambda event, _: folders.append(event) if event == "os.mkdir" else None)
def make():
    open_before, made = len(os.listdir("/proc/self/fd")), 0
    while time.monotonic() < end:
        folder = EphemeralFolder()
        folder.database.touch()
        os.sched_yield()
        folder.database.unlink()
        folder.remove()
        made += 1
    assert len(os.listdir("/proc/self/fd")) == open_before
    tell("made", made, len(folders) - made)
def sweep():
    while time.monotonic() < end:
        remove_orphans()
def tell(*words):
    os.write(1, (" ".join(map(str, words)) + chr(10)).encode())
for work in [make] * 8 + [sweep] * 4:
    if os.fork() == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
for _ in range(12):
    tell("status", os.wait()[1])
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


@pytest.mark.parametrize(("moment", "word"), MAKING + REMOVING)
def test_nothing_is_left_of_a_process_killed_while_it_makes_or_removes_its_folder(
    moment: str, word: str, nothing_leaks: Path
) -> None:
    with PythonProcess(KILLED + MAKING_ONE, moment, word) as process:
        assert process.wait() == -signal.SIGKILL, process.errors()
    assert len(list(nothing_leaks.iterdir())) == 1
    open_another()
    assert list(nothing_leaks.iterdir()) == []


@pytest.mark.parametrize(("moment", "word"), MAKING + REMOVING)
@pytest.mark.parametrize(("script", "status"), [("", -signal.SIGTERM), (EXITING, 5)])
def test_nothing_is_left_when_a_signal_comes_while_a_folder_is_made_or_removed(
    script: str, status: int, moment: str, word: str, nothing_leaks: Path
) -> None:
    with PythonProcess(script + TERMINATED + MAKING_ONE, moment, word) as process:
        assert process.wait() == status, process.errors()
    assert list(nothing_leaks.iterdir()) == []


@pytest.mark.parametrize(("moment", "word"), MAKING)
def test_a_folder_that_was_taken_for_an_orphan_is_made_again(moment: str, word: str) -> None:
    assert run_python(SWEPT, moment, word, SWEEPING) == ["True", "100", "0"]


@pytest.mark.parametrize("last", [("os.remove", "owner.lock"), ("os.rmdir", "")])
def test_a_folder_that_was_half_removed_is_made_again(last: tuple[str, str]) -> None:
    said = run_python(SWEPT, "fcntl.flock", "", KILLED + SWEEPING, *last)
    assert said == ["True", "100", "0"]


def test_many_processes_that_make_and_remove_folders_at_once_all_succeed(rounds: int) -> None:
    with PythonProcess(CROWD, min(30, rounds / 20)) as process:
        said = process.read_all()
        assert process.wait() == 0, process.errors()
    assert said.count("status 0") == 12, process.errors()
    counts = [line.split() for line in said if line.startswith("made")]
    made, lost = (sum(int(count[column]) for count in counts) for column in (1, 2))
    print(f"Made {made} folders, of which {lost} a second time")


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


def test_the_lock_and_not_the_process_id_shows_an_orphan(nothing_leaks: Path) -> None:
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
    names = "from mixpanel_data import *\nfrom tests.records import *\nimport os, sys\n"
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


def test_a_new_database_removes_orphans_and_can_be_used() -> None:
    orphans = [leave_orphan() for _ in range(3)]
    with StorageEngine.ephemeral() as storage:
        assert not any(orphan.exists() for orphan in orphans)
        assert storage.create_events_table("jan", make_events(10), EVENTS) == 10
