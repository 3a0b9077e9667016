"""A closed engine raises StorageClosedError, and its file keeps its data."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from mixpanel_data import (
    MixpanelDataError,
    StorageClosedError,
    StorageEngine,
)
from tests.processes import run_python
from tests.records import EVENTS, make_events
from tests.storage.helpers import ALWAYS_USABLE, ASKING, CONSTRUCTORS, COUNT_JAN, WRITING, fill
from tests.targets import TARGETS


@pytest.mark.parametrize("close", [StorageEngine.close, StorageEngine.cleanup])
def test_closing_twice_is_fine(
    storage: StorageEngine, close: Callable[[StorageEngine], None]
) -> None:
    close(storage)
    close(storage)
    storage.close()


@pytest.mark.parametrize(
    "name",
    sorted(
        {name for name in dir(StorageEngine) if not name.startswith("_")}
        - CONSTRUCTORS
        - ALWAYS_USABLE
    ),
)
def test_everything_that_needs_the_database_says_that_it_is_closed(
    storage: StorageEngine, name: str
) -> None:
    fill(storage)
    storage.close()
    data = make_events(3)
    with pytest.raises(StorageClosedError, match="Open a new one") as caught:
        ASKING[name](storage) if name in ASKING else WRITING[name](storage, data)
    assert isinstance(caught.value, RuntimeError)
    assert len(list(data)) == 3


@pytest.mark.parametrize("target", TARGETS)
def test_a_closed_engine_still_has_its_path(tmp_path: Path, target: str) -> None:
    storage = TARGETS[target](tmp_path)
    path = storage.path
    storage.close()
    assert storage.path == path
    assert storage.read_only is False
    assert "closed" in repr(storage)


def test_the_repr_tells_file_and_state(path: Path) -> None:
    storage = StorageEngine(path)
    assert repr(storage) == f"<StorageEngine {path}>"
    assert repr(storage.engine) == f"Engine(duckdb+mixpanel:///{path})"
    storage.close()
    assert repr(storage) == f"<StorageEngine {path} (closed)>"
    with StorageEngine.memory() as memory:
        assert repr(memory) == "<StorageEngine in memory>"


def test_the_block_closes_when_it_ends(path: Path) -> None:
    with StorageEngine(path) as storage:
        fill(storage)
    with pytest.raises(StorageClosedError):
        storage.list_tables()


def test_the_block_closes_when_it_fails_and_the_error_stays_what_it_was(path: Path) -> None:
    storage = StorageEngine(path)
    error = KeyboardInterrupt("stop")

    def stop() -> None:
        with storage:
            fill(storage)
            storage.session().execute(text("DELETE FROM jan"))
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value is error
    with pytest.raises(StorageClosedError):
        storage.list_tables()
    assert run_python(COUNT_JAN, path) == ["20"]


def test_an_engine_that_is_garbage_collected_releases_its_file(path: Path) -> None:
    storage = StorageEngine(path)
    fill(storage)
    del storage
    gc.collect()
    assert run_python(COUNT_JAN, path) == ["20"]


def test_a_process_that_never_closes_loses_nothing(path: Path) -> None:
    run_python(
        """
storage = StorageEngine(sys.argv[1])
storage.create_events_table("jan", make_events(20), EVENTS)
""",
        path,
    )
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 20


def test_reopening_gives_back_what_was_stored(path: Path) -> None:
    def everything(storage: StorageEngine) -> list[object]:
        return [
            storage.execute_rows("SELECT * FROM jan"),
            storage.execute_rows("SELECT * FROM users"),
            storage.list_tables(),
            *(
                ask(table)
                for table in ("jan", "users")
                for ask in (storage.get_schema, storage.get_metadata)
            ),
        ]

    with StorageEngine(path) as storage:
        fill(storage)
        before = everything(storage)
    for _ in range(2):
        with StorageEngine(path) as storage:
            assert everything(storage) == before
            with pytest.raises(MixpanelDataError):
                storage.create_events_table("jan", [], EVENTS)
