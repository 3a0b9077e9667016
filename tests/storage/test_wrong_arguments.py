"""What cannot be a path, an option or the name of a table is refused with what to use."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from mixpanel_data import (
    DatabaseFileError,
    ExportFileError,
    QueryError,
    SettingsError,
    StorageEngine,
    TableNameError,
    TableNotFoundError,
    migrate,
)
from tests.records import EVENTS
from tests.storage.helpers import ASKING, fill, posix_only

OPENING: dict[str, Callable[[StorageEngine, Any], object]] = {
    "StorageEngine": lambda _, path: StorageEngine(path),
    "read_only": lambda _, path: StorageEngine(path, read_only=True),
    "open_existing": lambda _, path: StorageEngine.open_existing(path),
    "backup": lambda storage, path: storage.backup(path),
    "copy_table": lambda storage, path: storage.copy_table("jan", path),
    "export": lambda storage, path: storage.export("jan", path, format="csv"),
}


@pytest.fixture(scope="module")
def filled() -> Iterator[StorageEngine]:
    """An engine for calls that change nothing."""
    with StorageEngine.memory() as storage:
        fill(storage)
        yield storage


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("way", OPENING)
@pytest.mark.parametrize(
    "url",
    [
        "duckdb+mixpanel:///events.db",
        "duckdb:///events.db",
        "sqlite:///events.db",
        "file:///events.db",
        "postgresql://user:secret-7@host/events",
        Path("duckdb+mixpanel:///events.db"),
    ],
)
def test_a_url_is_no_path(filled: StorageEngine, folder: Path, way: str, url: str | Path) -> None:
    with pytest.raises(ValueError, match=r"is a URL.*path of the file") as caught:
        OPENING[way](filled, url)
    assert "secret-7" not in str(caught.value)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("way", OPENING)
@pytest.mark.parametrize(
    ("path", "kind"),
    [("", ValueError), (b"a.db", TypeError), (5, TypeError), (make_url("duckdb:///a"), TypeError)],
)
def test_what_is_neither_text_nor_path_is_no_path(
    filled: StorageEngine, folder: Path, way: str, path: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=r"[Pp]ath"):
        OPENING[way](filled, path)
    assert list(folder.iterdir()) == []


@posix_only
@pytest.mark.parametrize("way", [*sorted(OPENING.keys() - {"export"}), "migrate"])
def test_a_working_directory_that_was_removed_is_an_error_of_the_file(
    filled: StorageEngine, folder: Path, way: str
) -> None:
    ways = OPENING | {"migrate": lambda _, path: migrate.status(path)}
    folder.rmdir()
    with pytest.raises(DatabaseFileError, match=r"events\.db.*absolute path"):
        ways[way](filled, "events.db")
    os.chdir(folder.parent)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"config": "memory_limit=1GB"}, TypeError, "config is .*a dict"),
        ({"config": {1: 2}}, TypeError, "config is 1"),
        ({"config": {"nope": 1}}, SettingsError, "nope"),
        ({"config": {"memory_limit": "xx"}}, SettingsError, "number"),
        ({"config": {"TimeZone": "nowhere"}}, SettingsError, "nowhere"),
        ({"load_memory_limit": "lots"}, ValueError, "load_memory_limit is 'lots'"),
        ({"load_memory_limit": "-1GB"}, ValueError, "load_memory_limit is '-1GB'"),
        ({"load_memory_limit": 5}, TypeError, "load_memory_limit is 5"),
        ({"read_only": "yes"}, TypeError, "read_only is 'yes'. Use True or False"),
        ({"migrate": 1}, TypeError, "migrate is 1. Use True or False"),
        ({"lock_timeout": "5"}, TypeError, "lock_timeout is '5'. Use seconds"),
        ({"lock_timeout": float("nan")}, ValueError, "lock_timeout is nan. Use seconds"),
        ({"lock_timeout": -1}, ValueError, "lock_timeout is -1. Use seconds"),
    ],
)
def test_an_option_of_another_kind_is_named(
    folder: Path, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        StorageEngine("events.db", **options)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("project_id", [True, 1.5, b"1"])
def test_a_project_id_is_text_or_a_whole_number(home: Path, project_id: Any) -> None:
    with pytest.raises(TypeError, match="project_id is a"):
        StorageEngine(project_id=project_id)
    assert list(home.iterdir()) == []


ONLY_A_NAME = [
    *("get_schema", "get_metadata", "sample", "property_keys", "property_coverage", "table"),
    *("summarize", "model", "event_breakdown", "daily_counts", "property_columns"),
    *("table_exists", "drop_table", "refresh_property_columns"),
]


def _call(method: str, storage: StorageEngine, given: Any) -> object:
    return getattr(storage, method)(given)


NAMING: dict[str, Callable[[StorageEngine, Any], object]] = {
    **{method: partial(_call, method) for method in ONLY_A_NAME},
    "property_stats": lambda s, given: s.property_stats(given, "$browser"),
    "copy_table": lambda s, given: s.copy_table(given, s),
    "the copy of copy_table": lambda s, given: s.copy_table(
        "jan", "copy.db", new_name="" if given is None else given
    ),
    "rename_table": lambda s, given: s.rename_table(given, "new"),
    "the new name of rename_table": lambda s, given: s.rename_table("jan", given),
    "create_events_table": lambda s, given: s.create_events_table(given, [], EVENTS),
    "append_events_table": lambda s, given: s.append_events_table(given, [], EVENTS),
    "delete_events": lambda s, given: s.delete_events(given, before="2025-01-01"),
}


@pytest.mark.parametrize("method", NAMING)
@pytest.mark.parametrize("name", [None, 5, b"jan", ["jan"]])
def test_the_name_of_a_table_is_text(
    filled: StorageEngine, folder: Path, method: str, name: Any
) -> None:
    with pytest.raises(TableNameError, match="letters"):
        NAMING[method](filled, name)
    assert [table.name for table in filled.list_tables()] == ["jan", "users"]
    assert list(folder.iterdir()) == []


def test_copying_a_table_that_is_not_there_makes_no_database(folder: Path) -> None:
    with StorageEngine.memory() as storage, pytest.raises(TableNotFoundError):
        storage.copy_table("nope", "left.db")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("make", [pickle.dumps, copy.copy, copy.deepcopy])
def test_an_engine_is_not_pickled_and_says_what_to_hand_over(make: Callable[[Any], object]) -> None:
    with StorageEngine.memory() as storage:
        with pytest.raises(TypeError, match=r"its path.*open it in the other process"):
            make(storage)
        assert ASKING["execute_scalar"](storage) == 1


#: Calls with an argument that it cannot be, by the name of the argument.
HUGE = 10**30
NOT_TAKEN: dict[str, tuple[str, Callable[[StorageEngine], object]]] = {
    "no query": ("sql", lambda s: s.execute_rows(None)),  # type: ignore[arg-type]
    "bytes for a query": ("sql", lambda s: s.execute(b"SELECT 1")),  # type: ignore[arg-type]
    "nothing to explain": ("sql", lambda s: s.explain(None)),  # type: ignore[arg-type]
    "nothing to export": ("source", lambda s: s.export(None, "a.csv")),  # type: ignore[arg-type]
    "nothing to keep": ("select", lambda s: s.create_table_as("a", 5)),  # type: ignore[arg-type]
    "no target": ("target", lambda s: s.copy_table("jan", None)),  # type: ignore[arg-type]
    "no percentiles": ("percentiles", lambda s: s.numeric_summary("jan", None, "v", None)),  # type: ignore[arg-type]
    "one percentile": ("percentiles", lambda s: s.numeric_summary("jan", None, "v", 50)),  # type: ignore[arg-type]
    "a number for events": ("events", lambda s: s.daily_counts("jan", 5)),  # type: ignore[arg-type]
    "a number for properties": ("properties", lambda s: s.property_coverage("jan", None, 5)),  # type: ignore[arg-type]
    "no rows to look at": ("sample_rows", lambda s: s.property_coverage("jan", sample_rows=0)),
    "too large a sample": ("n", lambda s: s.sample("jan", HUGE)),
    "too large a preview": ("n", lambda s: s.preview("SELECT 1", n=HUGE)),
    "too large a limit": ("limit", lambda s: s.property_distribution("jan", None, "v", limit=HUGE)),
    "too large a batch": ("batch_size", lambda s: s.stream("SELECT 1", batch_size=HUGE)),
    "too many rows": ("max_rows", lambda s: s.execute_rows("SELECT 1", max_rows=HUGE)),
}


@pytest.mark.parametrize("call", NOT_TAKEN)
def test_an_argument_that_cannot_be_is_named(
    filled: StorageEngine, folder: Path, call: str
) -> None:
    name, wrong = NOT_TAKEN[call]
    with pytest.raises((TypeError, ValueError), match=rf"^{name} is "):
        wrong(filled)
    assert list(folder.iterdir()) == []


BROKEN = "SELECT '\ud800'"
RUNNING: dict[str, Callable[[StorageEngine], object]] = {
    **{
        method: partial(_call, method, given=BROKEN)
        for method in ("execute", "execute_rows", "execute_df", "execute_arrow", "execute_dicts")
    },
    **{method: partial(_call, method, given=BROKEN) for method in ("stream", "preview")},
    "explain": lambda s: s.explain(BROKEN),
    "export": lambda s: s.export(BROKEN, "a.csv"),
    "export of such a table": lambda s: s.export("\ud800", "a.csv"),
    "create_table_as": lambda s: s.create_table_as("a", BROKEN),
}


@pytest.mark.parametrize("call", RUNNING)
def test_sql_that_utf8_cannot_express_is_an_error_of_the_query(
    filled: StorageEngine, folder: Path, call: str
) -> None:
    with pytest.raises(QueryError):
        RUNNING[call](filled)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["\ud800.csv", "a\0.csv"])
def test_a_file_that_cannot_be_is_an_error_of_the_file(
    filled: StorageEngine, folder: Path, name: str
) -> None:
    with pytest.raises(ExportFileError, match="no file can have this name"):
        filled.export("jan", name)
    with pytest.raises(ExportFileError, match="rejects: no file can have this name"):
        filled.create_events_table("new", [], EVENTS, on_error="skip", rejects=name)
    assert list(folder.iterdir()) == []
