"""The example that fetches and keeps works with a stub of Mixpanel's API, without duplicates."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.clients.stub import StubServer, running_stub

EXAMPLE = Path(__file__).parents[2] / "examples" / "fetch_and_keep.py"
DAYS = ("2025-01-01", "2025-01-31")


@pytest.fixture
def server() -> Iterator[StubServer]:
    pytest.importorskip("mixpanel_headless")
    with running_stub() as server:
        yield server


def run_example(server: StubServer, path: Path, *days: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "HOME": str(path.parent),
        "MP_API_BASE_URL": server.url,
        "MP_APP_BASE_URL": server.url,
        "MP_USERNAME": "user",
        "MP_SECRET": "none",
        "MP_PROJECT_ID": "1",
        "MP_REGION": "us",
    }
    return subprocess.run(
        [sys.executable, EXAMPLE, path, *days],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_events_and_profiles_are_kept_and_again_only_what_is_new(
    server: StubServer, path: Path
) -> None:
    first, second = (run_example(server, path, *DAYS) for _ in range(2))
    assert first.returncode == 0, first.stderr
    events, users = first.stdout.splitlines()
    assert (events[:23], users[:22]) == ("events: 200 rows added,", "users: 250 rows added,")
    assert second.returncode == 0, second.stderr
    events, users = second.stdout.splitlines()
    assert "0 rows added, 200 duplicates" in events
    assert "0 rows added, 250 replaced" in users
    with StorageEngine(path, read_only=True) as storage:
        assert [table.row_count for table in storage.list_tables()] == [200, 250]
        assert storage.get_metadata("events").from_date == DAYS[0]


def test_a_connection_that_breaks_off_leaves_the_file_as_it_was(
    server: StubServer, path: Path
) -> None:
    assert run_example(server, path, *DAYS).returncode == 0
    server.breaks_off = True
    assert run_example(server, path, "2025-02-01", "2025-02-28").returncode != 0
    with StorageEngine(path, read_only=True) as storage:
        assert storage.get_metadata("events").to_date == DAYS[1]


def test_without_days_the_last_month_is_fetched(server: StubServer, path: Path) -> None:
    assert run_example(server, path).returncode == 0
    with StorageEngine(path, read_only=True) as storage:
        metadata = storage.get_metadata("events")
    assert str(metadata.from_date).endswith("-01")
    assert str(metadata.from_date)[:7] == str(metadata.to_date)[:7]
