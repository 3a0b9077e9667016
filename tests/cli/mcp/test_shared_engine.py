"""An engine is open as long as somebody uses it, and no longer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mixpanel_data import DatabaseFileError, DatabaseNotFoundError, StorageEngine
from mixpanel_data.cli import shared_engine
from mixpanel_data.cli.shared_engine import SharedEngine
from tests.processes import run_python

#: Waits for the file as long as it takes.
PATIENT_WRITER = """
with StorageEngine(sys.argv[1], lock_timeout=60) as storage:
    storage.create_events_table("jan", make_events(10), EVENTS)
say("written")
"""


class Opener:
    """Opens engines, and keeps them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engines: list[StorageEngine] = []

    def __call__(self, lock_timeout: float) -> StorageEngine:
        engine = StorageEngine(self.path, read_only=True, lock_timeout=lock_timeout)
        self.engines.append(engine)
        return engine

    @property
    def open(self) -> list[bool]:
        return ["closed" not in repr(engine) for engine in self.engines]


@pytest.fixture
def opener(path: Path) -> Opener:
    StorageEngine(path).close()
    return Opener(path)


def use(shared: SharedEngine, work: Callable[[StorageEngine], object]) -> object:
    shared.announce()
    with shared.lent(0) as engine:
        return work(engine)


def test_it_is_opened_for_the_first_user_and_closed_after_the_last(opener: Opener) -> None:
    shared = SharedEngine(opener)
    for _ in range(2):
        shared.announce()
    assert opener.engines == []
    with shared.lent(0) as first:
        with shared.lent(0) as second:
            assert first is second
        assert opener.open == [True]
    assert opener.open == [False]


def test_the_next_user_gets_a_new_one(opener: Opener) -> None:
    shared = SharedEngine(opener)
    for _ in range(3):
        assert use(shared, lambda engine: engine.execute_scalar("SELECT 42")) == 42
    assert opener.open == [False] * 3


def test_it_stays_open_for_users_who_are_announced(opener: Opener) -> None:
    shared = SharedEngine(opener)
    shared.announce()
    use(shared, lambda engine: None)
    assert opener.open == [True]
    use(shared, lambda engine: None)
    assert opener.open == [True]
    shared.withdraw()
    assert opener.open == [False]


def test_an_error_of_a_user_does_not_keep_it_open(opener: Opener) -> None:
    shared = SharedEngine(opener)
    with pytest.raises(ZeroDivisionError):
        use(shared, lambda engine: 1 / 0)
    assert opener.open == [False]


def test_an_error_of_the_file_closes_it_for_those_to_come(opener: Opener) -> None:
    shared = SharedEngine(opener)
    shared.announce()

    def fail(engine: StorageEngine) -> None:
        raise DatabaseFileError(opener.path, "replaced")

    with pytest.raises(DatabaseFileError):
        use(shared, fail)
    assert opener.open == [False]
    with shared.lent(0):
        assert opener.open == [False, True]


def test_a_file_that_cannot_be_opened_is_tried_again_by_the_next(path: Path) -> None:
    opener = Opener(path)
    shared = SharedEngine(opener)
    with pytest.raises(DatabaseNotFoundError):
        use(shared, lambda engine: None)
    StorageEngine(path).close()
    use(shared, lambda engine: None)
    assert opener.open == [False]


def test_users_wait_until_it_was_closed_once_its_time_is_up(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_engine, "PAUSE", 0.01)
    shared = SharedEngine(opener, longest=0)
    shared.announce()
    shared.announce()
    entered = threading.Event()

    def second() -> list[bool]:
        entered.set()
        with shared.lent(0):
            return opener.open

    with ThreadPoolExecutor() as pool:
        with shared.lent(0):
            future = pool.submit(second)
            entered.wait()
            assert not future.done()
        assert future.result() == [False, True]
    assert opener.open == [False, False]


def test_users_without_a_gap_do_not_keep_a_writer_out(opener: Opener) -> None:
    shared, done = SharedEngine(opener, longest=0.3), threading.Event()

    def one_after_another() -> int:
        count = 0
        while not done.is_set():
            shared.announce()
            with shared.lent(60) as engine:
                count += engine.execute_scalar("SELECT 1")
        return count

    with ThreadPoolExecutor(3) as pool:
        users = [pool.submit(one_after_another) for _ in range(3)]
        try:
            assert run_python(PATIENT_WRITER, opener.path) == ["written"]
        finally:
            done.set()
        assert sum(user.result() for user in users) > 0
    with StorageEngine(opener.path, read_only=True) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 10


def test_many_threads_use_few_engines(opener: Opener) -> None:
    shared = SharedEngine(opener)

    def ask(number: int) -> object:
        return use(shared, lambda engine: engine.execute_scalar(f"SELECT {number}"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(200))) == list(range(200))
    assert not any(opener.open)
