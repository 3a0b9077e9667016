"""What a case is, and how one is added: a function under the decorator ``@case``.

The function runs in a process of its own. It prepares, puts the job under ``run.timed()`` and
checks the outcome with ``run.expect()``.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

Role = Literal["floor", "ours"]

#: Packages that a case may need and that are no dependency of ours.
PEERS = {"dlt", "polars", "sqlite_utils"}


class SkippedError(Exception):
    """The case cannot be measured here, for a reason that is no failure."""


class WrongResultError(Exception):
    """The job ended without an error, but did not do what it should."""


@dataclass
class Run:
    """One execution of a case, in its own process.

    Attributes:
        rows: How many events to handle; a case that handles another number corrects it.
        folder: For the files of this run.
        shared: For files that serve many runs, made by the preparation of a case.
        laps: Seconds of each job that was timed.
        peak: Peak memory of the process after the last job, in bytes.
        size: Size of the database file after the last job, in bytes, 0 when there is none.
        note: What to tell in the table.
    """

    rows: int
    folder: Path
    shared: Path
    laps: list[float] = field(default_factory=list)
    peak: int = 0
    size: int = 0
    note: str = ""

    @property
    def database(self) -> Path:
        """The database file that the job makes."""
        return self.folder / "bench.db"

    @property
    def seconds(self) -> float:
        """The median lap."""
        return median(self.laps)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time what happens in the block; what it opens it has to close."""
        started = time.perf_counter()
        yield
        self.laps.append(time.perf_counter() - started)
        self.peak = peak_memory()
        self.size = self.database.stat().st_size if self.database.exists() else 0

    def expect(self, actual: object, expected: object) -> None:
        """Fail unless the outcome is as it should be.

        Raises:
            WrongResultError: It is not.
        """
        if actual != expected:
            raise WrongResultError(f"expected {expected}, got {actual}")


def peak_memory() -> int:
    """Return the peak memory of this process, or of its largest child where that is more."""
    unit = 1 if sys.platform == "darwin" else 1024
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) * unit


Prepare = Callable[..., None]
Groups = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Case:
    """A way of doing a job, to be compared with the others of its section.

    Attributes:
        section: Name of the section.
        label: Its name in the table.
        function: Called with a ``Run`` and the options of the group.
        groups: The jobs that it can do, by name, and the options that tell them to the function.
            Cases are compared within a group.
        role: ``"floor"`` or ``"ours"`` for the cases that the others are divided by.
        sample: The most rows to run it with.
        note: What to tell in the table.
        prepare: Called beforehand, in a process of its own, like the function.
    """

    section: str
    label: str
    function: Callable[..., None]
    groups: Groups
    role: Role | None
    sample: int | None
    note: str
    prepare: Prepare | None

    @property
    def key(self) -> str:
        """The name under which it is registered."""
        return f"{self.section}.{self.function.__name__}"


CASES: dict[str, Case] = {}

Function = Callable[..., None]


def case(
    section: str,
    label: str,
    *,
    groups: Groups,
    role: Role | None = None,
    sample: int | None = None,
    note: str = "",
    prepare: Prepare | None = None,
) -> Callable[[Function], Function]:
    """Register a function as a case; the arguments are the attributes of :class:`Case`."""

    def register(function: Function) -> Function:
        made = Case(section, label, function, groups, role, sample, note, prepare)
        if made.key in CASES:
            raise ValueError(f"There are two cases {made.key}.")
        CASES[made.key] = made
        return function

    return register
