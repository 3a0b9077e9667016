"""Limits on time, memory, threads and disk for untrusted SQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mixpanel_data import QueryError, QueryTimeoutError, Sandbox, StorageEngine
from tests.records import EVENTS, make_events


@pytest.mark.parametrize("name", ["execute_rows", "execute_df", "execute_scalar", "execute"])
def test_a_statement_that_takes_too_long_is_interrupted(name: str) -> None:
    sql = "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(10000000) AS b(i)"
    with StorageEngine.memory(sandbox=Sandbox(timeout=1.5)) as storage:
        with pytest.raises(QueryTimeoutError, match=r"after 1.5 seconds") as caught:
            getattr(storage, name)(sql)
        assert caught.value.details == {"query": sql, "seconds": 1.5}
        assert storage.execute_scalar("SELECT 42") == 42
        assert not [t for t in threading.enumerate() if t.name == "mixpanel_data-timeout"]


def test_a_statement_in_a_session_is_interrupted_too() -> None:
    sql = "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(10000000) AS b(i)"
    with (
        StorageEngine.memory(sandbox=Sandbox(timeout=0.05)) as storage,
        storage.session() as session,
        pytest.raises(QueryTimeoutError),
    ):
        session.execute(text(sql)).all()


def test_a_load_may_take_longer_than_a_statement() -> None:
    waited = threading.Event()

    def slowly() -> Iterator[dict[str, Any]]:
        for event in make_events(5000):
            waited.wait(0.0001)
            yield event

    with StorageEngine.memory(sandbox=Sandbox(timeout=0.001)) as storage:
        assert storage.create_events_table("events", slowly(), EVENTS) == 5000


def test_without_a_timeout_no_statement_is_watched() -> None:
    with StorageEngine.memory(sandbox=Sandbox(timeout=None)) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM range(100000)") == 100_000


def test_memory_threads_and_temporary_files_are_limited(path: Path) -> None:
    limits = Sandbox(memory_limit="50MiB", threads=1, max_temp_size="1MiB")
    with StorageEngine(path, sandbox=limits) as storage:
        settings = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert storage.execute_rows(settings) == [("50.0 MiB", 1)]
        with pytest.raises(QueryError, match=r"(?i)memory|max_temp_directory_size"):
            storage.execute_rows("SELECT list(hash(i)::VARCHAR) FROM range(20000000) AS t(i)")
        assert storage.execute_scalar("SELECT 42") == 42


def test_settings_that_are_the_sandbox_s_are_refused(path: Path) -> None:
    config = {"enable_external_access": True, "threads": 8, "preserve_insertion_order": False}
    with pytest.raises(ValueError, match="sandbox sets enable_external_access, threads"):
        StorageEngine(path, config=config, sandbox=True)
    assert list(path.parent.iterdir()) == []
    with StorageEngine(path, config={"preserve_insertion_order": False}, sandbox=True) as storage:
        assert storage.execute_scalar("SELECT current_setting('preserve_insertion_order')") is False


@pytest.mark.parametrize("name", ["max_rows", "max_bytes", "max_sql_bytes"])
def test_a_limit_has_to_allow_something(name: str) -> None:
    limit: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} is 0"):
        Sandbox(**limit)


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"threads": 0},
        {"max_workers": 0},
        {"memory_limit": "lots"},
        {"memory_limit": "-1"},
        {"max_temp_size": ""},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_at_once(limits: dict[str, Any]) -> None:
    ((name, _),) = limits.items()
    with pytest.raises(ValueError, match=name):
        Sandbox(**limits)


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": "10"},
        {"timeout": True},
        {"max_rows": "10"},
        {"max_rows": 1.5},
        {"threads": None},
        {"memory_limit": 500},
        {"worker": "yes"},
        {"functions": "lower"},
        {"functions": [1]},
        {"functions": None},
    ],
)
def test_a_limit_of_another_type_is_refused_at_once(limits: dict[str, Any]) -> None:
    ((name, _),) = limits.items()
    with pytest.raises(TypeError, match=name):
        Sandbox(**limits)


@pytest.mark.parametrize("wanted", [None, {}, {"timeout": 1}, "off", [True], 1, Sandbox])
def test_a_sandbox_argument_of_another_type_is_refused(wanted: Any, path: Path) -> None:
    advice = r"Use True, False or Sandbox\(...\)"
    with pytest.raises(TypeError, match=advice):
        StorageEngine(path, sandbox=wanted)
    with pytest.raises(TypeError, match=advice):
        StorageEngine.memory(sandbox=wanted)
    with pytest.raises(TypeError, match=advice):
        StorageEngine.ephemeral(sandbox=wanted)
    assert not path.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_a_sandbox_of_its_own(path: Path) -> None:
    body = f"""
import os, sys
from mixpanel_data import StorageEngine
with StorageEngine({str(path)!r}, sandbox=True) as storage:
    assert storage.execute_rows("SELECT lower('A')") == [("a",)]
    child = os.fork()
    if child == 0:
        with StorageEngine.memory(sandbox=True) as other:
            assert other.execute_rows("SELECT lower('A')") == [("a",)]
        os._exit(7)  # as multiprocessing does
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert storage.execute_rows("SELECT lower('A')") == [("a",)]
"""
    subprocess.run([sys.executable, "-c", body], check=True, timeout=60)
