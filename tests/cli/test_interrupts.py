"""Ctrl-C is what a statement ends with, whatever DuckDB makes of it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from mixpanel_data import StorageEngine
from mixpanel_data.cli.interrupts import heard_at_once

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)


@pytest.fixture(autouse=True)
def deaf_to_ctrl_c() -> Iterator[None]:
    """Python's own handler does nothing, as while DuckDB runs."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted() -> None:
    signal.raise_signal(signal.SIGINT)
    raise RuntimeError("Query interrupted")


def test_an_error_after_ctrl_c_is_ctrl_c() -> None:
    for _ in range(50):
        with pytest.raises(KeyboardInterrupt) as caught, heard_at_once():
            interrupted()
        assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_error_without_ctrl_c_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="its own"), heard_at_once():
        raise RuntimeError("its own")


def test_what_is_done_in_spite_of_ctrl_c_stays_done() -> None:
    with heard_at_once():
        signal.raise_signal(signal.SIGINT)


def test_a_statement_that_runs_ends() -> None:
    sql = "SELECT count(*) FROM range(10000000000) a, range(100) b WHERE a.range % 7 = b.range"
    with StorageEngine.memory() as storage:
        threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt), heard_at_once():
            storage.execute_scalar(sql)


def test_a_thread_other_than_the_main_one_hears_nothing() -> None:
    ran: list[bool] = []

    def run() -> None:
        with heard_at_once():
            ran.append(True)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert ran == [True]
