"""Rounds: every case of a section once, then every case again.

The machine may be busy with other things. Cases that take turns are disturbed alike, and a ratio is
only taken between cases of the same round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.case import Case, Role
from benchmarks.measure import Result, measure


@dataclass
class Trial:
    """A case doing one job, and what came of it in each round.

    Attributes:
        case: The case.
        group: Name of the job.
        results: One per round; after one without numbers there are no more.
    """

    case: Case
    group: str
    results: list[Result] = field(default_factory=list)

    @property
    def problem(self) -> Result | None:
        """The result that has no numbers, if there is one."""
        return next((result for result in self.results if result.status != "ok"), None)

    @property
    def last(self) -> Result:
        """The result of the last round."""
        return self.results[-1]

    def middle(self, value: Callable[[Result], float]) -> float:
        """Return the median of a value over the rounds."""
        return median(map(value, self.results))

    def ratio_to(self, other: Trial | None) -> float | None:
        """Return the median of the ratios of time per row to another trial, round by round."""
        if other is None or self.problem or other.problem:
            return None
        return median(
            (mine.seconds / mine.rows) / (theirs.seconds / theirs.rows)
            for mine, theirs in zip(self.results, other.results, strict=True)
        )


def reference(trials: Iterable[Trial], trial: Trial, role: Role) -> Trial | None:
    """Return the trial of a role that does the same job, None when there is none."""
    same = (other for other in trials if other.group == trial.group)
    return next((other for other in same if other.case.role == role), None)


def run_rounds(
    cases: Iterable[Case],
    rows: int,
    repeat: int,
    shared: Path,
    timeout: float,
    tell: Callable[[str], None],
) -> list[Trial]:
    """Run cases in turns.

    Args:
        cases: The cases.
        rows: How many events to handle.
        repeat: How many rounds.
        shared: Folder for files that serve many runs.
        timeout: Seconds after which a single run is stopped.
        tell: Called with a line about each run.

    Returns:
        The trials, those of a group together.
    """
    trials = [Trial(case, group) for case in cases for group in case.groups]
    groups = list(dict.fromkeys(trial.group for trial in trials))
    trials.sort(key=lambda trial: groups.index(trial.group))
    _prepare(trials, rows, shared, timeout)
    for number in range(repeat):
        for trial in trials:
            if trial.problem:
                continue
            result = measure(trial.case, trial.group, rows, shared, timeout)
            trial.results.append(result)
            outcome = f"{result.seconds:.4f} s" if result.status == "ok" else result.status
            tell(f"{number + 1}/{repeat} {trial.case.key}, {trial.group}: {outcome} {result.note}")
    return trials


def _prepare(trials: Iterable[Trial], rows: int, shared: Path, timeout: float) -> None:
    """Run every preparation once; where one fails, the trials that need it have failed."""
    done: dict[object, Result] = {}
    for trial in trials:
        prepare = trial.case.prepare
        if prepare is None:
            continue
        what = (prepare, trial.group)
        if what not in done:
            done[what] = measure(trial.case, trial.group, rows, shared, timeout, prepare=True)
        if done[what].status != "ok":
            trial.results.append(done[what])
