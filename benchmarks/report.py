"""Trials become Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from benchmarks import lakes
from benchmarks.rounds import Trial, reference

PACKAGES = (
    "duckdb",
    "sqlalchemy",
    "duckdb-engine",
    "pandas",
    "pyarrow",
    "polars",
    "orjson",
    "dlt",
    "sqlite-utils",
)

MIB = 1024 * 1024

SIZE = "file MiB"


@dataclass(frozen=True)
class Section:
    """A table of the report.

    Attributes:
        name: As in the cases.
        title: Heading.
        text: What is measured.
        floor: What the times are divided by, for the head of the column.
        unit: What is counted, for the heads of columns.
        hidden: Columns that would say nothing.
        lacking: Returns what is missing to measure it here, None when nothing is.
    """

    name: str
    title: str
    text: str
    floor: str = "floor"
    unit: str = "rows"
    hidden: Sequence[str] = ()
    lacking: Callable[[], str | None] = lambda: None


SECTIONS = (
    Section(
        "load",
        "Loading Python records",
        "Records come from a generator and end in a database file that is closed. "
        "One in a thousand repeats an earlier one.",
    ),
    Section("files", "Loading Mixpanel export files", "The same events as raw export (NDJSON)."),
    Section(
        "columnar",
        "Loading tables that are columns already",
        "The table is in memory before the clock starts, and counts in the peak.",
        floor="DuckDB",
    ),
    Section(
        "shapes",
        "Shapes of data",
        "Rich events in every shape, without key, against the plainest shape of the same way in. "
        "Ratios are of time per byte of JSON.",
        floor="plain",
        unit="kB",
        hidden=("÷ ours",),
    ),
    Section(
        "orm",
        "SQLAlchemy's ORM and Core",
        "Inserts go into a table of events with a key, documents as dicts, in one transaction; the "
        "driver's row-wise executemany is measured on a tenth of the rows. Reading is of ten times "
        "the rows, once without the documents and once with them, which the client gives as text.",
        floor="the first",
        hidden=(SIZE,),
    ),
    Section(
        "growth",
        "Growth",
        "Small events. An append adds N/20 rows and includes opening and closing the file; its "
        "time is the median of the ten.",
    ),
    Section(
        "migrations",
        "Migrations",
        "A revision over 50 tables of events with keys, one of N rows and the others of N/1000, in "
        "one transaction, with 400 MB for DuckDB's memory. Opening and closing count.",
    ),
    Section(
        "read",
        "Reading and starting",
        "Of each run the median over many calls, after one that does not count.",
        floor="DuckDB",
        hidden=("rows", "rows/s", SIZE),
    ),
    Section(
        "properties",
        "Properties as columns, looking at data, and data out",
        "Rich events. Queries are the median of many calls in an open database; a load includes "
        "opening and closing the file.",
        hidden=("rows", "rows/s"),
    ),
    Section(
        "lake",
        "Lakes",
        "Rich events, over a PostgreSQL on the same machine and a local folder. Loads are into a "
        "database that exists, and include opening and closing it; loaders share the events. "
        "Queries are the median of many calls, appends of N/100 rows that of ten, both in an open "
        "database. The thousand files come of a thousand INSERTs.",
        hidden=("÷ ours",),
        lacking=lakes.lacking,
    ),
)

Cell = Callable[[Trial, Sequence[Trial]], str]


def report(section: Section, trials: Sequence[Trial]) -> str:
    """Return a section as Markdown: its heading, what is measured and one table."""
    columns: dict[str, Cell] = {
        section.unit: lambda trial, _: f"{trial.last.rows:,}",
        "time (min to max)": lambda trial, _: _times(trial),
        f"{section.unit}/s": lambda trial, _: (
            f"{trial.middle(lambda result: result.rows / result.seconds):,.0f}"
        ),
        f"÷ {section.floor}": lambda trial, others: _ratio(
            trial.ratio_to(reference(others, trial, "floor"))
        ),
        "÷ ours": lambda trial, others: _ratio(trial.ratio_to(reference(others, trial, "ours"))),
        "peak MiB": lambda trial, _: f"{trial.middle(lambda result: result.peak) / MIB:,.0f}",
        SIZE: lambda trial, _: _size(trial.middle(lambda result: result.size)),
    }
    shown = {name: cell for name, cell in columns.items() if name not in section.hidden}
    lines = [
        _line(["job", "way", *shown, "note"]),
        _line(["---", "---", *("---:" for _ in shown), "---"]),
    ]
    for trial in trials:
        cells = ["" if trial.problem else cell(trial, trials) for cell in shown.values()]
        lines.append(_line([trial.group, trial.case.label, *cells, _note(trial)]))
    return f"## {section.title}\n\n{section.text}\n\n" + "\n".join(lines) + "\n"


def machine() -> str:
    """Return what the numbers depend on: processor count, memory, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    parts = [
        f"{os.cpu_count()} cores",
        f"{memory:.0f} GiB memory",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        *_versions(PACKAGES),
    ]
    return ", ".join(parts)


def _versions(packages: Iterable[str]) -> Iterable[str]:
    for package in packages:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} not installed"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _times(trial: Trial) -> str:
    """Return the median, the least and the most, in a unit that fits the median."""
    seconds = [result.seconds for result in trial.results]
    middle, least, most = median(seconds), min(seconds), max(seconds)
    if middle >= 1:
        return f"{middle:.2f} s ({least:.2f} to {most:.2f})"
    return f"{_brief(middle * 1e3)} ms ({_brief(least * 1e3)} to {_brief(most * 1e3)})"


def _brief(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float | None) -> str:
    return "" if value is None else _brief(value)


def _size(size: float) -> str:
    return f"{size / MIB:,.1f}" if size else ""


def _note(trial: Trial) -> str:
    """Return the problem, or the notes of the case and of the last run."""
    if problem := trial.problem:
        rounds = len(trial.results)
        when = f" in round {rounds}" if problem.status == "failed" and rounds > 1 else ""
        return f"{problem.status}{when}: {problem.note}"
    sample = trial.case.sample
    parts = [trial.case.note, trial.last.note]
    if sample is not None and trial.last.rows == sample:
        parts.insert(0, f"sample of {sample:,} rows")
    return "; ".join(part for part in parts if part)
