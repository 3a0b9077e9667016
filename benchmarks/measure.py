"""One measurement: a process of its own that runs a case and tells the result as a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.case import CASES, PEERS, Case, Run, SkippedError
from benchmarks.cases import load_all

Status = Literal["ok", "skipped", "not installed", "failed"]

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Result:
    """What came of running a case once.

    Attributes:
        status: Whether there are numbers.
        rows: Events handled per lap.
        seconds: The median lap.
        laps: Seconds of each lap.
        peak: Peak memory in bytes.
        size: Size of the database file in bytes.
        note: What to tell in the table, or the first line of an error.
    """

    status: Status
    rows: int = 0
    seconds: float = 0.0
    laps: list[float] = field(default_factory=list)
    peak: int = 0
    size: int = 0
    note: str = ""


def measure(
    case: Case, group: str, rows: int, shared: Path, timeout: float, *, prepare: bool = False
) -> Result:
    """Run a case in a new process.

    Args:
        case: The case.
        group: Name of the job.
        rows: How many events to handle.
        shared: Folder for files that serve many runs.
        timeout: Seconds after which the process is stopped.
        prepare: Run only the preparation of the case.
    """
    with tempfile.TemporaryDirectory(dir=shared.parent) as folder:
        order = {
            "case": case.key,
            "group": group,
            "rows": min(rows, case.sample or rows),
            "folder": folder,
            "shared": str(shared),
            "prepare": prepare,
        }
        command = [sys.executable, "-m", "benchmarks.measure", json.dumps(order)]
        environment = {**os.environ, "TMPDIR": folder}
        try:
            process = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return Result("failed", note=f"stopped after {timeout:.0f} s")
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or [""]
        note = f"exit status {process.returncode}: {lines[-1]}"
        return Result("failed", note=_without_folders(note, folder, str(shared)))
    return Result(**json.loads(process.stdout.splitlines()[-1]))


def _run(order: dict[str, Any]) -> Result:
    case = CASES[order["case"]]
    run = Run(order["rows"], Path(order["folder"]), Path(order["shared"]))
    function = case.prepare if order["prepare"] and case.prepare else case.function
    try:
        function(run, **case.groups[order["group"]])
    except SkippedError as error:
        return Result("skipped", note=str(error))
    except ModuleNotFoundError as error:
        if error.name not in PEERS:
            return Result("failed", note=_first_line(error, run))
        return Result("not installed", note=f"no package {error.name}")
    except Exception as error:
        return Result("failed", note=_first_line(error, run))
    if order["prepare"]:
        return Result("ok")
    return Result("ok", run.rows, run.seconds, run.laps, run.peak, run.size, run.note)


def _first_line(error: Exception, run: Run) -> str:
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    return _without_folders(message, str(run.folder), str(run.shared))


def _without_folders(message: str, *folders: str) -> str:
    """Return a message that tells nothing of where things are on this machine."""
    for folder in (*folders, str(ROOT), sys.prefix, sys.base_prefix):
        message = message.replace(folder, "…")
    return message


def main() -> None:
    """Do what the command line says; the last line of the output is the result."""
    load_all()
    result = _run(json.loads(sys.argv[1]))
    print("\n" + json.dumps(asdict(result)))


if __name__ == "__main__":
    main()
