"""Text that UTF-8, a file system or SQL cannot express: typed errors at every public method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mixpanel_data import (
    MixpanelDataError,
    Sandbox,
    StorageEngine,
    TableMetadata,
    migrate,
    read_events_export,
    read_profiles_export,
)
from tests.records import EVENTS, FETCHED_AT, PROFILES, make_event, make_events, make_profile

pytestmark = pytest.mark.slow

IMPOSSIBLE = {
    "a lone surrogate": "a\ud800",
    "an undecodable byte": "a\udcff",
    "a NUL": "a\0b",
    "only a NUL": "\0",
    "empty": "",
    "very long": "x" * 100_000,
    "a surrogate pair": "\ud83d\ude00",
}
Call = Callable[[StorageEngine, str], object]

#: Every public method, with the text in each of its arguments.
CALLS: dict[str, Call] = {
    "execute": lambda s, t: s.execute(t),
    "execute parameter": lambda s, t: s.execute("SELECT ?", [t]).fetchall(),
    "execute_rows": lambda s, t: s.execute_rows(t),
    "execute_rows literal": lambda s, t: s.execute_rows(f"SELECT '{t}'"),
    "execute_rows name": lambda s, t: s.execute_rows(f'SELECT 1 AS "{t}"'),
    "execute_rows parameter": lambda s, t: s.execute_rows("SELECT ?", [t]),
    "execute_rows parameter name": lambda s, t: s.execute_rows("SELECT $a", {t: 1}),
    "execute_rows nested parameter": lambda s, t: s.execute_rows("SELECT ?", [{t: [t]}]),
    "execute_rows clause": lambda s, t: s.execute_rows(text(t.replace(":", ""))),
    "execute_rows bound": lambda s, t: s.execute_rows(text("SELECT :a"), {"a": t}),
    "execute_df": lambda s, t: s.execute_df(t),
    "execute_df parameter": lambda s, t: s.execute_df("SELECT ?", [t]),
    "execute_scalar": lambda s, t: s.execute_scalar(t),
    "execute_scalar parameter": lambda s, t: s.execute_scalar("SELECT ?", [t]),
    **{
        f"{method} literal": lambda s, t, method=method: getattr(s, method)(f"SELECT '{t}'")  # type: ignore[misc]
        for method in ("execute", "stream", "preview", "explain", "execute_arrow")
    },
    "export literal": lambda s, t: s.export(f"SELECT '{t}'", "a.csv"),
    "export path": lambda s, t: s.export("canary", f"{t}.csv"),
    "create_table_as literal": lambda s, t: s.create_table_as("a", f"SELECT '{t}'"),
    "rejects": lambda s, t: s.create_events_table("t", [], EVENTS, on_error="skip", rejects=t),
    "table_exists": lambda s, t: s.table_exists(t),
    "get_schema": lambda s, t: s.get_schema(t),
    "get_metadata": lambda s, t: s.get_metadata(t),
    "model": lambda s, t: s.model(t),
    "drop_table": lambda s, t: s.drop_table(t),
    "create": lambda s, t: s.create_events_table(t, [make_event()], EVENTS),
    "create profiles": lambda s, t: s.create_profiles_table(t, [make_profile()], PROFILES),
    "append": lambda s, t: s.append_events_table(t, [make_event()], EVENTS),
    "append profiles": lambda s, t: s.append_profiles_table(t, [make_profile()], PROFILES),
    "load name": lambda s, t: s.load_events_export(t, "nowhere.jsonl", EVENTS),
    "load path": lambda s, t: s.load_events_export("t", f"nowhere{t}.jsonl", EVENTS),
    "load profiles path": lambda s, t: s.load_profiles_export("t", f"nowhere{t}.jsonl", PROFILES),
    "read path": lambda s, t: list(read_events_export(f"nowhere{t}.jsonl")),
    "read profiles path": lambda s, t: list(read_profiles_export(f"nowhere{t}.jsonl")),
    "on_conflict": lambda s, t: s.create_events_table("t", [], EVENTS, on_conflict=t),  # type: ignore[arg-type]
    "field": lambda s, t: s.create_events_table("t", [make_event(**{t: 1})], EVENTS),
    "event name": lambda s, t: s.create_events_table("t", [make_event(event_name=t)], EVENTS),
    "event time": lambda s, t: s.create_events_table("t", [make_event(event_time=t)], EVENTS),
    "property": lambda s, t: s.create_events_table("t", [make_event(properties={t: t})], EVENTS),
    "metadata type": lambda s, t: TableMetadata(t, FETCHED_AT),  # type: ignore[arg-type]
    "metadata date": lambda s, t: TableMetadata("events", FETCHED_AT, from_date=t),
    "metadata filter": lambda s, t: s.create_events_table(
        "t", [], TableMetadata("events", FETCHED_AT, filter_where=t, filter_events=[t])
    ),
    "revision": lambda s, t: migrate.upgrade(s, t),
    "revision down": lambda s, t: migrate.downgrade(s, t),
    "path": lambda s, t: StorageEngine(f"nowhere/{t}/x.db", read_only=True),
    "new path": lambda s, t: StorageEngine(f"{t}/{t}").close(),
    "open_existing": lambda s, t: StorageEngine.open_existing(f"nowhere{t}"),
    "project_id": lambda s, t: StorageEngine(project_id=t),
    "target": lambda s, t: migrate.status(f"nowhere{t}"),
    "url": lambda s, t: migrate.status(f"duckdb+mixpanel:///nowhere{t}"),
    "other url": lambda s, t: migrate.status(f"{t}://nowhere"),
    "setting": lambda s, t: StorageEngine.memory(config={t: 1}),
    "value of a setting": lambda s, t: StorageEngine.memory(config={"memory_limit": t}),
    "load_memory_limit": lambda s, t: limited(t),
    "sandbox": lambda s, t: StorageEngine.memory(sandbox=Sandbox(memory_limit=t)),
    "sandboxed": lambda s, t: sandboxed(t),
    "key": lambda s, t: StorageEngine("keyed.db", encryption_key=t).close(),
}


def problem_of(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except (MixpanelDataError, OSError, ValueError) as error:
        return error
    return None


def limited(limit: str) -> None:
    with StorageEngine("limited.db", load_memory_limit=limit) as storage:
        storage.create_events_table("t", make_events(3), EVENTS)


def sandboxed(sql: str) -> None:
    with StorageEngine.memory(sandbox=True) as storage:
        storage.execute_rows(sql)


@pytest.mark.parametrize("which", IMPOSSIBLE)
@pytest.mark.parametrize("call", CALLS)
def test_an_impossible_text_works_or_is_a_typed_error(
    call: str, which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with StorageEngine.memory() as storage:
        storage.create_events_table("canary", make_events(3), EVENTS)
        before = storage.execute_rows("FROM canary ORDER BY ALL")
        problem = problem_of(lambda: CALLS[call](storage, IMPOSSIBLE[which]))
        assert not isinstance(problem, UnicodeError), "an error of Python's own"
        assert problem is None or str(problem)
        assert storage.execute_rows("FROM canary ORDER BY ALL") == before
        assert storage.get_metadata("canary").type == "events"


def test_no_error_repeats_a_value_of_the_caller(tmp_path: Path) -> None:
    value: Any = "a secret \ud800"
    with StorageEngine.memory() as storage:
        for query in ("SELECT ?", "SELECT ?::INTEGER"):
            with pytest.raises(MixpanelDataError) as caught:
                storage.execute_rows(query, [value])
            assert "a secret" not in f"{caught.value} {caught.value.details}"
