"""The web service takes and gives events and users, with many requests at once."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import StorageEngine

pytest.importorskip("fastapi")

APP = Path(__file__).parents[2] / "examples" / "service" / "app.py"


def event(number: int, name: str = "Tap") -> dict[str, Any]:
    properties = {"time": 1735689600 + number, "distinct_id": "ada", "$insert_id": str(number)}
    return {"event": name, "properties": properties}


@pytest.fixture(scope="module")
def service() -> Any:
    spec = importlib.util.spec_from_file_location("example_service", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_service"] = module  # where FastAPI looks for the types of its functions
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(service: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from fastapi.testclient import TestClient

    monkeypatch.setenv("DATABASE", str(path))
    with TestClient(service.app) as client:
        yield client


def test_events_are_added_once_and_counted_by_day(client: Any) -> None:
    events = [event(1), event(2), event(86_400, "Sign Up")]
    assert client.post("/events", json=events).json() == {"added": 3, "duplicates": 0}
    assert client.post("/events", json=events).json() == {"added": 0, "duplicates": 3}
    assert client.get("/events/daily").json() == {"2025-01-01": 2, "2025-01-02": 1}
    assert client.get("/events/daily?event=Tap&since=2025-01-02").json() == {}


def test_a_bad_event_is_refused_with_the_reason_and_nothing_is_stored(client: Any) -> None:
    answer = client.post("/events", json=[event(1), {"event": "Tap", "properties": {}}])
    assert answer.status_code == 422
    assert "time" in answer.json()["detail"]
    assert client.get("/events/daily").json() == {}


def test_users_have_tags_and_unknown_ones_are_not_found(client: Any) -> None:
    assert client.get("/users/ada").status_code == 404
    assert client.post("/users/ada/tags", json={"tag": "new"}).json() == ["new"]
    assert client.get("/users/ada").json() == {"tags": ["new"]}


def test_changes_of_one_user_by_many_requests_at_once_are_all_kept(client: Any) -> None:
    def add(tag: str) -> int:
        return int(client.post("/users/ada/tags", json={"tag": tag}).status_code)

    tags = [f"tag-{number}" for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(add, tags)) == {200}
    assert sorted(client.get("/users/ada").json()["tags"]) == sorted(tags)


def test_events_that_many_requests_add_at_once_are_all_kept(client: Any) -> None:
    def add(number: int) -> int:
        events = [event(number), event(number + 1)]  # each shares one with the next
        return int(client.post("/events", json=events).json()["added"])

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(add, range(16))) == 17
    assert client.get("/events/daily").json() == {"2025-01-01": 17}


def test_a_conflict_that_stays_is_answered_as_one_and_changes_nothing(
    client: Any, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/users/ada/tags", json={"tag": "old"})
    monkeypatch.setattr(service, "ATTEMPTS", 2)
    storage: StorageEngine = service.app.state.storage
    with storage.session() as session:
        user: Any = session.get(service.User, "ada")
        user.properties["seen"] = True
        session.flush()
        answer = client.post("/users/ada/tags", json={"tag": "new"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        session.commit()
    assert client.post("/users/ada/tags", json={"tag": "new"}).json() == ["old", "new"]
    assert client.get("/users/ada").json()["seen"] is True
