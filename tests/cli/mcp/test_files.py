"""A file that is missing, in use, of another version or replaced: calls say so, and go on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine
from tests.cli.mcp.agent import agent, agent_within, message
from tests.databases import make_database, make_newer_format, make_text_file
from tests.processes import PythonProcess
from tests.records import EVENTS, make_events

#: Writes until it is told to end.
WRITER = """
storage = StorageEngine(sys.argv[1])
say("open")
input()
storage.append_events_table("jan", make_events(10, start=500), EVENTS)
say("written")
input()
storage.close()
say("closed")
"""


def fill(path: Path, rows: int = 3) -> Path:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(rows), EVENTS)
    return path


def test_a_file_that_is_missing_is_told_and_found_once_it_is_there(path: Path) -> None:
    with agent_within(path) as asking:
        for tool, arguments in [("list_tables", {}), ("query", {"sql": "SELECT 1"})]:
            said = asking.refusal(tool, **arguments)
            assert str(path) in said
            assert "no such file" in said
            assert "Tell the user" in said
        assert not path.exists()
        fill(path)
        assert asking.ask("list_tables")["row_count"] == 1


def test_a_relative_path_is_that_of_the_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(path)
    monkeypatch.chdir(path.parent)
    with agent(Path(path.name)) as asking:
        assert asking.rows("SELECT count(*) FROM jan") == [[3]]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("0001", "mixpanel_data migrate upgrade"),
        ("original", "mixpanel_data migrate upgrade"),
        ("newer", "pip install --upgrade mixpanel_data"),
        ("application", ""),
        ("foreign", "_metadata"),
    ],
)
def test_a_file_of_another_version_is_told_with_the_command_for_the_user(
    path: Path, recipe: str, expected: str
) -> None:
    make_database(recipe, path)
    content = path.read_bytes()
    with agent_within(path) as asking:
        if recipe == "application":
            assert asking.ask("list_tables")["rows"] == []
            assert asking.ask("query", sql="SHOW TABLES")["rows"]
        else:
            said = asking.refusal("list_tables")
            assert expected in said
            assert said.endswith("Tell this to the user, who has to do it.")
    assert path.read_bytes() == content


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    make_text_file(path)
    with agent_within(path) as asking:
        assert "no DuckDB database" in asking.refusal("list_tables")
        make_newer_format(path.with_name("newer.db")).replace(path)
        assert "newer DuckDB" in asking.refusal("query", sql="SELECT 1")
        path.unlink()
        path.mkdir()
        assert str(path) in asking.refusal("list_tables")


def test_an_encrypted_file_needs_its_key(path: Path) -> None:
    config = {"force_mbedtls_unsafe": True}
    with StorageEngine(path, encryption_key="sesame", config=config) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    with agent_within(path) as asking:
        assert "encrypted" in asking.refusal("list_tables")
    with agent(path, MIXPANEL_DATA_ENCRYPTION_KEY="sesame") as asking:
        assert asking.rows("SELECT count(*) FROM jan") == [[3]]


def test_a_file_in_use_is_told_with_the_way_out(path: Path) -> None:
    fill(path)
    with agent_within(path, lock_timeout=0.1) as asking, PythonProcess(WRITER, path) as writer:
        assert writer.read() == "open"
        calls = [("query", {"sql": "SELECT 1"}), ("list_tables", {})] * 20
        for result in asking.together(calls):
            said = message(result)
            assert f"process {writer.pid} is writing" in said
            assert "storage.backup(path, overwrite=True)" in said
        for expected in ("written", "closed"):
            writer.write("go")
            assert writer.read() == expected
        assert asking.rows("SELECT count(*) FROM jan") == [[13]]


def test_calls_wait_for_a_writer(path: Path) -> None:
    fill(path)
    with agent_within(path, lock_timeout=60) as asking, PythonProcess(WRITER, path) as writer:
        assert writer.read() == "open"
        sql = {"sql": "SELECT count(*) FROM jan"}
        call = asking.start(lambda client: client.call_tool("query", sql))
        for expected in ("written", "closed"):
            writer.write("go")
            assert writer.read() == expected
        assert call.result().structured_content["rows"] == [[13]]


def test_a_call_that_waits_can_be_cancelled(path: Path) -> None:
    fill(path)
    with PythonProcess(WRITER, path) as writer:
        assert writer.read() == "open"
        with agent_within(path, lock_timeout=1000) as asking:
            call = asking.start(lambda client: client.call_tool("list_tables", {}))
            time.sleep(0.5)
            call.cancel()


def test_no_lock_is_kept_between_calls(path: Path) -> None:
    fill(path)
    with agent(path) as asking:
        for number in range(3):
            assert asking.rows("SELECT count(*) FROM jan") == [[3 + 10 * number]]
            asking.ask("list_tables")
            with StorageEngine(path, lock_timeout=10) as storage:
                more = make_events(10, start=1000 * (number + 1))
                storage.append_events_table("jan", more, EVENTS)


def test_readers_do_not_mind_the_server(path: Path) -> None:
    fill(path)
    with StorageEngine(path, read_only=True) as storage, agent(path) as asking:
        assert asking.rows("SELECT count(*) FROM jan") == [[3]]
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 3


def test_a_copy_that_a_writer_replaces_is_read_anew(path: Path) -> None:
    copy = path.with_name("for agents.db")
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        storage.backup(copy)
        with agent(copy) as asking:
            assert asking.rows("SELECT count(*) FROM jan") == [[3]]
            storage.append_events_table("jan", make_events(5, start=10), EVENTS)
            storage.backup(copy, overwrite=True)
            assert asking.rows("SELECT count(*) FROM jan") == [[8]]


def test_a_damaged_file_is_told(path: Path) -> None:
    fill(path, rows=5000)
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    whole = path.with_name("whole.db")
    shutil.copy(path, whole)
    path.write_bytes(content)
    with agent_within(path) as asking:
        assert str(path) in asking.refusal("list_tables")
        whole.replace(path)
        assert asking.rows("SELECT count(*) FROM jan") == [[5000]]
