"""Clients of Mixpanel's API: what they hand out is loaded as it is, and again adds nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import ExportFileError, StorageEngine, TableMetadata
from tests.clients.stub import StubServer, running_stub
from tests.records import EVENTS, PROFILES


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with StorageEngine.memory() as storage:
        yield storage


DAYS: Any = {"from_date": "2025-01-01", "to_date": "2025-01-31"}
JANUARY = TableMetadata("events", EVENTS.fetched_at, **DAYS)


@pytest.fixture(scope="module")
def server() -> Iterator[StubServer]:
    with running_stub() as server:
        yield server


@pytest.fixture
def workspace(server: StubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A workspace of mixpanel-headless that talks to the stub."""
    headless = pytest.importorskip("mixpanel_headless")
    settings = {
        "HOME": tmp_path,
        "MP_API_BASE_URL": server.url,
        "MP_APP_BASE_URL": server.url,
        "MP_USERNAME": "user",
        "MP_SECRET": "none",
        "MP_PROJECT_ID": "1",
        "MP_REGION": "us",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    with headless.Workspace() as workspace:
        yield workspace
    server.breaks_off = False


@pytest.fixture
def utils(server: StubServer) -> Any:
    """A client of mixpanel_utils that talks to the stub."""
    mixpanel_utils = pytest.importorskip("mixpanel_utils")
    client = mixpanel_utils.MixpanelUtils(
        "none", service_account_username="user", project_id=1, max_retries=1
    )
    client.raw_api = client.formatted_api = f"{server.url}/api"
    return client


def test_raw_events_of_headless_are_loaded_and_again_none(
    storage: StorageEngine, workspace: Any
) -> None:
    for if_exists, added in (("fail", 200), ("append", 0)):
        events = workspace.stream_events(**DAYS, raw=True)
        options: Any = {"if_exists": if_exists}
        assert storage.load_events_export("t", events, JANUARY, **options) == added


def test_normalised_events_of_headless_are_records(storage: StorageEngine, workspace: Any) -> None:
    result = storage.create_events_table("t", workspace.stream_events(**DAYS), JANUARY)
    assert (result, result.rejected) == (200, 0)
    given = "SELECT count(*) FROM t WHERE insert_id LIKE 'id-%'"
    assert storage.execute_scalar(given) == 150
    raw = workspace.stream_events(**DAYS, raw=True)
    again = storage.load_events_export("t", raw, JANUARY, if_exists="append")
    assert (again, again.duplicates) == (50, 150)  # the client makes its missing ids at random


@pytest.mark.parametrize("raw", [True, False])
def test_profiles_of_headless_are_loaded_and_again_none(
    storage: StorageEngine, workspace: Any, raw: bool
) -> None:
    load: Callable[..., Any] = (
        storage.load_profiles_export if raw else storage.create_profiles_table
    )
    for if_exists, added in (("fail", 250), ("append", 0)):
        profiles = workspace.stream_profiles(raw=raw)
        assert load("users", profiles, PROFILES, if_exists=if_exists) == added
    assert storage.execute_scalar("SELECT count(*) FROM users WHERE last_seen IS NULL") == 0


def test_a_connection_that_breaks_off_leaves_nothing(
    storage: StorageEngine, workspace: Any, server: StubServer
) -> None:
    server.breaks_off = True
    with pytest.raises(Exception, match=r".+"):
        storage.load_events_export("t", workspace.stream_events(**DAYS, raw=True), JANUARY)
    assert storage.list_tables() == []


@pytest.mark.parametrize("compress", [False, True])
def test_files_of_utils_are_loaded_and_again_none(
    storage: StorageEngine, utils: Any, tmp_path: Path, compress: bool
) -> None:
    utils.export_events(str(tmp_path / "events.json"), dict(DAYS), compress=compress)
    (path,) = tmp_path.glob("events.json*")
    assert storage.load_events_export("t", path, JANUARY) == 200
    assert storage.load_events_export("t", path, JANUARY, if_exists="append") == 0


def test_arrays_that_utils_appended_to_a_file_are_all_read(
    storage: StorageEngine, utils: Any, tmp_path: Path
) -> None:
    path = tmp_path / "events.json"
    for _ in range(2):
        utils.export_data(utils.query_export(dict(DAYS)), str(path), append_mode=True)
    result = storage.load_events_export("t", path, JANUARY)
    assert (result.read, result.duplicates) == (400, 150)  # events without an id may be twice
    assert storage.load_events_export("t", path, JANUARY, if_exists="append") == 0


def test_the_table_that_utils_writes_is_refused_with_advice(
    storage: StorageEngine, utils: Any, tmp_path: Path
) -> None:
    path = tmp_path / "events.csv"
    utils.export_events(str(path), dict(DAYS), format="csv")
    with pytest.raises(ExportFileError, match="CSV"):
        storage.load_events_export("t", path, JANUARY)


def test_the_open_response_of_utils_is_loaded(storage: StorageEngine, utils: Any) -> None:
    with utils.query_export(dict(DAYS), raw_stream=True) as response:
        assert storage.load_events_export("t", response, JANUARY) == 200


def test_people_of_utils_are_loaded(storage: StorageEngine, utils: Any, tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    utils.export_people(str(path))
    assert storage.load_profiles_export("users", path, PROFILES) == 250
