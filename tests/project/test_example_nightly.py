"""The daily job appends yesterday, replaces the days before, and ends with a telling exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine, migrate
from tests.processes import PythonProcess

JOB = Path(__file__).parents[2] / "examples" / "nightly.py"


def run_job(path: Path, folder: Path, *arguments: str) -> tuple[int, str, str]:
    command: list[str | Path] = [
        sys.executable,
        JOB,
        path,
        folder,
        "--lock-timeout",
        "0",
        *arguments,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout, run.stderr


def write_day(folder: Path, day: str, *names: str, broken: str = "") -> None:
    folder.mkdir(exist_ok=True)
    time = int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp())
    lines = [
        json.dumps(
            {"event": name, "properties": {"time": time, "distinct_id": "ada", "$insert_id": name}}
        )
        for name in names
    ]
    (folder / f"{day}.jsonl").write_text("\n".join([*lines, *filter(None, [broken])]) + "\n")


def events(path: Path) -> list[str]:
    with StorageEngine(path, read_only=True) as storage:
        found = storage.execute_rows("SELECT event_name FROM events ORDER BY event_name")
    return [name for (name,) in found]


DAY = ("--day", "2025-01-31")


def test_yesterday_is_appended_and_days_that_were_fetched_again_are_replaced(
    path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exports"
    write_day(folder, "2025-01-30", "a", "b")
    assert run_job(path, folder, "--day", "2025-01-30")[0] == 0
    assert events(path) == ["a", "b"]
    write_day(folder, "2025-01-30", "b", "late")
    write_day(folder, "2025-01-31", "c")
    code, printed, _ = run_job(path, folder, *DAY)
    assert (code, len(printed.splitlines())) == (0, 2)
    assert events(path) == ["b", "c", "late"]
    assert run_job(path, folder, *DAY)[0] == 0
    assert events(path) == ["b", "c", "late"]


def test_bad_lines_are_left_out_written_to_a_file_and_told(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exports"
    write_day(folder, "2025-01-31", "a", broken="export terminated early")
    code, printed, _ = run_job(path, folder, *DAY)
    assert (code, "1 rejected" in printed) == (6, True)
    assert events(path) == ["a"]
    (line,) = (folder / "rejected" / "2025-01-31.jsonl").read_text().splitlines()
    assert json.loads(line)["line"] == "export terminated early"


def test_a_day_that_is_not_there_yet_is_told(path: Path, tmp_path: Path) -> None:
    code, printed, errors = run_job(path, tmp_path, *DAY)
    assert (code, printed) == (3, "")
    assert "no export of this day" in errors


@pytest.mark.processes
def test_a_database_that_another_process_has_open_is_told(path: Path, tmp_path: Path) -> None:
    write_day(tmp_path, "2025-01-31", "a")
    script = "storage = StorageEngine(sys.argv[1])\nsay('open')\nsys.stdin.read()"
    with PythonProcess(script, path) as other:
        assert other.read() == "open"
        code, _, errors = run_job(path, tmp_path, *DAY)
    assert (code, str(other.pid) in errors) == (4, True)


def test_a_database_that_needs_a_migration_is_told(path: Path, tmp_path: Path) -> None:
    StorageEngine(path).close()
    migrate.downgrade(path, "0001")
    write_day(tmp_path, "2025-01-31", "a")
    code, _, errors = run_job(path, tmp_path, *DAY)
    assert (code, "migrate upgrade" in errors) == (5, True)


def test_events_of_another_day_are_an_error_and_change_nothing(path: Path, tmp_path: Path) -> None:
    for day in ("2025-01-30", "2025-01-31"):
        write_day(tmp_path, day, day)
    (tmp_path / "2025-01-31.jsonl").replace(tmp_path / "2025-01-30.jsonl")
    write_day(tmp_path, "2025-01-31", "a")
    code, _, errors = run_job(path, tmp_path, *DAY)
    assert (code, "not of the days" in errors) == (1, True)
    assert events(path) == ["a"]


def test_wrong_arguments_are_told(path: Path, tmp_path: Path) -> None:
    assert run_job(path, tmp_path, "--day", "yesterday")[0] == 2
