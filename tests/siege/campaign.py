"""Starts besiegers, counts what they report, and replaces those that crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import ROOT
from tests.siege.besieger import Journal, Shot

#: Seconds without a new statement after which a besieger hangs.
_PATIENCE = 60.0
_TICK = 0.05


@dataclass
class Result:
    """What a siege came to.

    Attributes:
        counts: How many statements ended in which way, and how many of a sample parse.
        told: What besiegers reported of single statements, hits and others.
    """

    counts: Counter[str] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)

    @property
    def statements(self) -> int:
        """How many were run."""
        return sum(self.counts[verdict] for verdict in VERDICTS)

    @property
    def parse_rate(self) -> float:
        """Which share of the statements was SQL."""
        return self.counts["parsed"] / max(1, self.counts["parse tried"])

    @property
    def hits(self) -> list[dict[str, Any]]:
        """Statements that did what none may do."""
        return [line for line in self.told if line["traces"]]


VERDICTS = ("answers", "refused", "error", "timeout", "raw", "crash", "hang")


class Besiegers:
    """One process after the other, each going on where the last one fell.

    Args:
        folder: A folder of their own.
        plan: What they shall do; see :mod:`tests.siege.besieger`.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self._folder = folder
        self._plan = plan
        self._result = Result()
        self._number = 0
        self._deadline = time.monotonic() + plan.get("seconds", 0)
        self._send()

    def _send(self) -> None:
        self._number += 1
        self._place = self._folder / f"besieger-{self._number}"
        self._place.mkdir(parents=True)
        (self._place / "plan.json").write_text(json.dumps(self._plan))
        self._seen, self._since = b"", time.monotonic()
        python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        with (self._place / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.siege.besieger", str(self._place)],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": python_path},
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )

    def look_after(self) -> Result | None:
        """Return the result when all is done; else see to it that it goes on."""
        status = self._process.poll()
        hangs = status is None and self._hangs()
        if hangs:
            self._process.kill()
            status = self._process.wait()
        if status is None:
            return None
        self._collect()
        if status == 0:
            return self._result
        self._bury(status, "hang" if hangs else "crash")
        if self._is_done():
            return self._result
        self._send()
        return None

    def _is_done(self) -> bool:
        if "shots" in self._plan:
            return not self._plan["shots"]
        self._plan["seconds"] = self._deadline - time.monotonic()
        return bool(self._plan["seconds"] < 0)

    def _hangs(self) -> bool:
        journal = self._place / "journal"
        noted = journal.read_bytes()[:4096] if journal.exists() else b""
        if noted != self._seen:
            self._seen, self._since = noted, time.monotonic()
        return time.monotonic() - self._since > _PATIENCE

    def _collect(self) -> None:
        report = self._place / "report.jsonl"
        for line in report.read_text().splitlines() if report.exists() else ():
            told = json.loads(line)
            if "counts" in told:
                self._result.counts.update(told["counts"])
            else:
                self._result.told.append(told)

    def _bury(self, status: int, verdict: str) -> None:
        """Put down what killed a besieger, and go on after it."""
        errors = (self._place / "errors").read_text(errors="replace")[-2000:]
        last = Journal.last(self._place / "journal")
        if last is None:
            raise RuntimeError(f"A besieger ended with {status} before it began.\n{errors}")
        where, shot = last
        line = {
            "where": where,
            "shot": shot,
            "verdict": verdict,
            "traces": [f"{verdict}: {status}"],
        }
        self._result.counts[verdict] += 1
        self._result.told.append({**line, "seconds": 0.0, "message": errors})
        if "shots" not in self._plan:
            self._plan["seed"] = shot["seed"] + 1
            return
        told = [line["shot"] for line in self._result.told]
        self._plan["shots"] = [
            waiting
            for waiting in self._plan["shots"]
            if waiting not in told and not waiting["statement"].startswith(shot["statement"])
        ]

    def stop(self) -> None:
        """End what still runs."""
        self._process.kill()
        self._process.wait()


def run(folder: Path, plans: Sequence[dict[str, Any]]) -> Result:
    """Carry out plans beside each other and return what all of them came to."""
    result = Result()
    running = [Besiegers(folder / str(number), plan) for number, plan in enumerate(plans)]
    try:
        while running:
            time.sleep(_TICK)
            for besiegers in list(running):
                if (done := besiegers.look_after()) is not None:
                    result.counts += done.counts
                    result.told += done.told
                    running.remove(besiegers)
    finally:
        for besiegers in running:
            besiegers.stop()
    return result


def numbered(
    seed: int,
    *,
    source: str = "seeds",
    seconds: float,
    statements: int = sys.maxsize,
    jobs: int = 1,
    sandbox: bool = True,
) -> list[dict[str, Any]]:
    """Return plans to fire what numbers from one on make, so long, or so many statements each."""
    plan = {"seed": seed, "source": source, "seconds": seconds, "statements": statements}
    return [{**plan, "sandbox": sandbox, "jobs": jobs, "index": index} for index in range(jobs)]


def listed(
    shots: Sequence[Shot], file: str, mode: str, *, sandbox: bool = True
) -> list[dict[str, Any]]:
    """Return a plan to fire shots at one kind of file, and to tell of each."""
    fired = [asdict(shot) for shot in shots]
    return [{"shots": fired, "file": file, "mode": mode, "sandbox": sandbox}]


def described(hits: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what a reader needs to run each hit again."""
    for hit in hits:
        shot = hit["shot"]
        yield f"seed {shot['seed']} ({hit['where']}, by {shot['entry']}): {shot['statement']!r}"
        yield from (f"    {trace}" for trace in hit["traces"])
