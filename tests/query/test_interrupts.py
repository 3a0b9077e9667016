"""Ctrl-C ends a query at once, whatever DuckDB makes of it, and the engine goes on."""

from __future__ import annotations

import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from mixpanel_data import StorageEngine
from mixpanel_data.common.signals import heard_by

if sys.platform == "win32":
    pytest.skip("signals of POSIX", allow_module_level=True)

ENDLESS = "SELECT a % 7 AS a, count(*) AS n FROM range(30000000000000) t(a) GROUP BY 1"

Ask = Callable[[StorageEngine], object]


def with_connection(storage: StorageEngine) -> object:
    with storage.engine.connect() as connection:
        return connection.exec_driver_sql(ENDLESS).fetchall()


def with_session(storage: StorageEngine) -> object:
    with Session(storage.engine) as session:
        return session.execute(text(ENDLESS)).fetchall()


def with_pandas(storage: StorageEngine) -> object:
    with storage.engine.connect() as connection:
        return pd.read_sql(text(ENDLESS), connection)


ASKING: dict[str, Ask] = {
    "rows": lambda storage: storage.execute_rows(ENDLESS),
    "dicts": lambda storage: storage.execute_dicts(ENDLESS),
    "scalar": lambda storage: storage.execute_scalar(ENDLESS),
    "DataFrame": lambda storage: storage.execute_df(ENDLESS),
    "Arrow": lambda storage: storage.execute_arrow(ENDLESS),
    "stream": lambda storage: storage.stream(ENDLESS).read_all(),
    "preview": lambda storage: storage.preview(ENDLESS),
    "export": lambda storage: storage.export(ENDLESS, io.BytesIO(), "csv"),
    "explain": lambda storage: storage.explain(ENDLESS, analyze=True),
}
TRUSTED: dict[str, Ask] = {
    "create_table_as": lambda storage: storage.create_table_as("kept", ENDLESS),
    "connection": with_connection,
    "session": with_session,
    "pandas": with_pandas,
}


@contextmanager
def ctrl_c_comes(number: int = signal.SIGINT) -> Iterator[None]:
    timer = threading.Timer(0.3, signal.raise_signal, [number])
    timer.start()
    yield
    timer.join()


def assert_ends(storage: StorageEngine, ask: Ask) -> None:
    with ctrl_c_comes(), pytest.raises(KeyboardInterrupt):
        ask(storage)
    assert storage.execute_scalar("SELECT 42") == 42
    assert storage.list_tables() == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("ask", [*ASKING.values(), *TRUSTED.values()], ids=[*ASKING, *TRUSTED])
def test_ctrl_c_ends_a_query_and_the_engine_goes_on(ask: Ask) -> None:
    with StorageEngine.memory() as storage:
        assert_ends(storage, ask)


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_ctrl_c_ends_a_query_in_a_sandbox(ask: Ask) -> None:
    with StorageEngine.memory(sandbox=True) as storage:
        assert_ends(storage, ask)


def test_ctrl_c_ends_every_query_of_several() -> None:
    with StorageEngine.memory() as storage:
        for _ in range(3):
            assert_ends(storage, ASKING["rows"])


def test_a_query_of_another_thread_goes_on() -> None:
    found: list[Any] = []
    sql = "SELECT count(*) FROM range(300000000) t(a) WHERE a % 7 = 0"
    with StorageEngine.memory() as storage:
        thread = threading.Thread(target=lambda: found.append(storage.execute_scalar(sql)))
        thread.start()
        assert_ends(storage, ASKING["rows"])
        thread.join()
    assert found == [42857143]


def test_a_handler_of_the_application_is_kept_and_the_query_with_it() -> None:
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    sql = "SELECT count(*) FROM range(300000000) t(a) WHERE a % 7 = 0"
    try:
        with StorageEngine.memory() as storage, ctrl_c_comes():
            assert storage.execute_scalar(sql) == 42857143
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]


def fail_after_ctrl_c() -> None:
    with heard_by(lambda: None):
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("Query interrupted")


def test_an_error_after_ctrl_c_is_ctrl_c() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        fail_after_ctrl_c()
    assert isinstance(caught.value.__context__, RuntimeError)


def test_an_error_without_ctrl_c_stays_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="its own"), heard_by(lambda: None):
        raise RuntimeError("its own")


def test_nothing_is_interrupted_after_the_block() -> None:
    calls: list[str] = []
    for _ in range(50):
        with pytest.raises(KeyboardInterrupt), heard_by(lambda: calls.append("early")):
            signal.raise_signal(signal.SIGINT)
        with heard_by(lambda: calls.append("late")):
            pass
    assert "late" not in calls


def test_other_signals_reach_who_waits_for_them() -> None:
    import os

    source, target = os.pipe()
    os.set_blocking(target, False)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    old = signal.set_wakeup_fd(target)
    try:
        with heard_by(lambda: None):
            signal.raise_signal(signal.SIGUSR1)
            assert os.read(source, 1) == bytes([signal.SIGUSR1])
        assert signal.set_wakeup_fd(old) == target
    finally:
        signal.set_wakeup_fd(old)
        signal.signal(signal.SIGUSR1, before)
        os.close(source)
        os.close(target)
