"""The limits that a worker sets for itself, checked from outside and inside."""

from __future__ import annotations

import os
import resource
import signal
import time
from pathlib import Path

import pytest

from mixpanel_data.database.sandbox.worker import confinement
from tests.database.sandbox.workers.conftest import Opener, workers_of

KINDS = ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_NOFILE", "RLIMIT_FSIZE")


def test_the_system_limits_a_worker_for_good(opened: Opener) -> None:
    opened(memory_limit="300MB", max_temp_size="100MB").execute_scalar("SELECT 1")
    (pid,) = workers_of()
    limits = {kind: resource.prlimit(pid, getattr(resource, kind)) for kind in KINDS}
    assert all(soft == hard for soft, hard in limits.values())
    now = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    assert now < limits["RLIMIT_AS"][0] <= now + 300_000_000
    assert limits["RLIMIT_CORE"] == (0, 0)
    assert limits["RLIMIT_FSIZE"][0] == pytest.approx(267_000_000, rel=0.01)


@pytest.mark.parametrize("file_size", [None, 1000])
def test_limits_are_set_once_and_never_above_those_there_are(
    monkeypatch: pytest.MonkeyPatch, file_size: int | None
) -> None:
    found: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "setrlimit", found.__setitem__)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (500, 500))
    monkeypatch.setattr(confinement, "OOM_SCORE", os.devnull)
    confinement.confine(10**9, file_size)
    assert found[resource.RLIMIT_AS] == (500, 500)
    assert found[resource.RLIMIT_CORE] == (0, 0)
    assert (resource.RLIMIT_FSIZE in found) == (file_size is not None)


def tied(after: str) -> int:
    """Return how a process ends that is tied to a pipe, which is closed before, after or never."""
    here, there = os.pipe()
    started, is_started = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there)
        confinement.die_with(here)
        os.write(is_started, b"x")
        time.sleep(0.2 if after == "never" else 60)
        os._exit(0)
    if after != "before":
        os.read(started, 1)
    if after != "never":
        os.close(there)
    status = os.waitpid(child, 0)[1]
    for descriptor in [here, started, is_started, *([there] if after == "never" else [])]:
        os.close(descriptor)
    return status


def test_a_process_tied_to_a_pipe_lives_while_it_is_open() -> None:
    assert tied("never") == 0


@pytest.mark.parametrize("after", ["before", "start"])
def test_a_process_tied_to_a_closed_pipe_dies_at_once(after: str) -> None:
    assert tied(after) == signal.SIGKILL
