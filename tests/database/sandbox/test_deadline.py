"""A deadline limits several statements together, and ends early when another thread says so."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import QueryTimeoutError, Sandbox, StorageEngine
from mixpanel_data.database.sandbox.deadline import Deadline

ENDLESS = "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(10000000) AS b(i)"


@pytest.fixture(params=["here", "worker"])
def storage(request: pytest.FixtureRequest, path: Path) -> Iterator[StorageEngine]:
    """A sandbox without a timeout of its own, in this process and in a worker in turn."""
    if request.param == "worker" and sys.platform != "linux":
        pytest.skip("workers need Linux")
    StorageEngine(path).close()
    sandbox = Sandbox(timeout=None, worker=request.param == "worker")
    with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
        storage.execute_scalar("SELECT 1")
        yield storage


def test_a_statement_ends_with_the_deadline(storage: StorageEngine) -> None:
    with Deadline(0.5).applied(), pytest.raises(QueryTimeoutError, match=r"after 0\.5 seconds"):
        storage.execute_scalar(ENDLESS)
    assert storage.execute_scalar("SELECT 42") == 42


def test_no_statement_starts_after_the_deadline(storage: StorageEngine) -> None:
    deadline = Deadline(1000)
    deadline.end()
    with deadline.applied(), pytest.raises(QueryTimeoutError):
        storage.execute_scalar(ENDLESS)
    assert storage.execute_scalar("SELECT 42") == 42


def test_another_thread_ends_it_early(storage: StorageEngine) -> None:
    deadline = Deadline(1000)
    ender = threading.Timer(0.5, deadline.end)
    ender.start()
    with deadline.applied(), pytest.raises(QueryTimeoutError):
        storage.execute_scalar(ENDLESS)
    ender.join()
    assert storage.execute_scalar("SELECT 42") == 42


def test_it_concerns_one_thread_only(storage: StorageEngine) -> None:
    deadline, found = Deadline(1000), []
    deadline.end()
    other = threading.Thread(target=lambda: found.append(storage.execute_scalar("SELECT 42")))
    with deadline.applied():
        other.start()
        other.join()
    assert found == [42]


def test_ending_it_twice_or_late_is_fine(storage: StorageEngine) -> None:
    deadline = Deadline(1000)
    with deadline.applied():
        assert storage.execute_scalar("SELECT 42") == 42
    deadline.end()
    deadline.end()
    assert storage.execute_scalar("SELECT 42") == 42


def test_the_shorter_limit_counts(path: Path) -> None:
    with (
        StorageEngine(path, sandbox=Sandbox(timeout=0.2)) as storage,
        Deadline(1000).applied(),
        pytest.raises(QueryTimeoutError, match=r"after 0\.2 seconds"),
    ):
        storage.execute_scalar(ENDLESS)


def test_a_pause_does_not_count() -> None:
    deadline = Deadline(1000)
    before = deadline.at
    with deadline.paused():
        threading.Event().wait(0.01)
    assert deadline.at > before
    deadline.end()
    with deadline.paused():
        pass
    assert deadline.is_over
