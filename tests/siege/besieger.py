"""The attacking process: it may crash, and records what it was doing.

``python -m tests.siege.besieger FOLDER`` does what ``plan.json`` in the folder says and writes
``report.jsonl``: lines that say what a statement did, and lines that count.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from sqlalchemy.exc import DBAPIError

from mixpanel_data import (
    DatabaseInvalidatedError,
    MixpanelDataError,
    QueryTimeoutError,
    SandboxError,
    StorageEngine,
)
from tests.siege.arena import FILES, LIMITS, MODES, Arena
from tests.siege.calls import calls
from tests.siege.fuzzer import Fuzzer
from tests.siege.oracle import Oracle, reveals
from tests.siege.senses import Listener, Output, Witness
from tests.siege.vocabulary import kinds

#: Statements between two looks at the whole database.
BATCH = 500
#: What of a statement the journal keeps.
_PAGE = 1 << 16
_MEMORY = 6 << 30
#: Errors of DuckDB's own, after some of which it refuses to work on.
_BREAKING = (duckdb.InternalException, duckdb.FatalException)
#: Seconds from which on a statement is worth to be named.
_SLOW = 5.0


@dataclass(frozen=True)
class Shot:
    """A statement, with what it takes to run it again: the seed that made it, if one did."""

    statement: str
    entry: str = "rows"
    seed: int | None = None


@dataclass
class Outcome:
    """What a shot did: how it ended, and the traces it left where there must be none."""

    shot: Shot
    verdict: str
    traces: list[str] = field(default_factory=list)
    seconds: float = 0.0
    message: str = ""


def _with_driver(storage: StorageEngine, sql: str, values: list[str]) -> Any:
    with storage.engine.connect() as connection:
        result = connection.exec_driver_sql(sql, tuple(values))
        return result.fetchall() if result.returns_rows else []


def _objects(frame: pd.DataFrame) -> list[Any]:
    """Return the columns that can hold text; pandas cannot show all times that it can hold."""
    columns = [frame.iloc[:, number] for number in range(frame.shape[1])]
    return [column.tolist() for column in columns if column.dtype.kind == "O"]


def _rows(relation: duckdb.DuckDBPyRelation) -> list[Any]:
    """Return the rows of a relation, none where Python has no value for one of DuckDB's.

    A relation is DuckDB's own, and so is what goes wrong while its rows are read.
    """
    try:
        return relation.fetchall()
    except OverflowError:
        return []


#: The ways in for SQL in text.
ENTRIES: dict[str, Callable[[StorageEngine, str, list[str]], Any]] = {
    "rows": lambda storage, sql, values: storage.execute_rows(sql, values),
    "df": lambda storage, sql, values: _objects(storage.execute_df(sql, values)),
    "scalar": lambda storage, sql, values: storage.execute_scalar(sql, values),
    "relation": lambda storage, sql, values: _rows(storage.execute(sql, values)),
    "driver": _with_driver,
    "explain": lambda storage, sql, values: storage.explain(sql, values),
    "analyze": lambda storage, sql, values: storage.explain(sql, values, analyze=True),
    "keep": lambda storage, sql, values: storage.create_table_as("kept", sql, values),
}


class Journal:
    """The shots that were fired last, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_PAGE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _PAGE)

    def note(self, where: str, shot: Shot) -> None:
        """Write down a shot before it is fired."""
        noted = asdict(shot) | {"statement": shot.statement[: _PAGE // 8]}
        line = json.dumps([where, noted]).encode()
        self._map[:8] = len(line).to_bytes(8, "little")
        self._map[8 : 8 + len(line)] = line

    @staticmethod
    def last(path: Path) -> list[Any] | None:
        """Return what was noted last: the place, and the shot, perhaps cut off."""
        content = path.read_bytes() if path.exists() else b""
        length = int.from_bytes(content[:8], "little")
        return json.loads(content[8 : 8 + length]) if length else None


class Besieger:
    """Fires shots at arenas and reports.

    Args:
        folder: With the plan; everything else comes there.
        sandbox: False to attack an engine without one.
    """

    def __init__(self, folder: Path, *, sandbox: bool = True) -> None:
        self._sandbox = LIMITS if sandbox else None
        self._journal = Journal(folder / "journal")
        self._report = (folder / "report.jsonl").open("a", buffering=1)
        self._output = Output(folder / "output")
        self._listener, self._witness = Listener(), Witness()
        self._folder = folder
        self._arenas: dict[str, Arena] = {}

    def __enter__(self) -> Besieger:
        self._output.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._output.__exit__()
        self._listener.close()
        self._witness.close()
        self._report.close()

    def fire_all(self, shots: Iterable[Shot], file: str, mode: str, *, tell_all: bool) -> None:
        """Fire shots, with a new look at everything after each batch, and report.

        Args:
            shots: What to fire.
            file: The kind of file to attack.
            mode: How it is opened.
            tell_all: Report every shot, not only those that left traces.
        """
        if file not in self._arenas:
            self._arenas[file] = Arena(self._folder / file, self._listener.port, file)
        waiting, arena = iter(shots), self._arenas[file]
        arena.enter()
        while batch := list(islice(waiting, BATCH)):
            for outcomes in self._batches(arena, mode, batch):
                self._tell(outcomes, f"{file}, {mode}", tell_all=tell_all)

    def _batches(self, arena: Arena, mode: str, shots: list[Shot]) -> Iterator[list[Outcome]]:
        """Fire a batch; begin anew after each shot that left traces."""
        while shots:
            outcomes, traces = self._fire(arena, mode, shots)
            if traces:  # found in the end: look after each
                outcomes, traces = self._fire(arena, mode, shots[: len(outcomes)], closely=True)
                outcomes[-1].traces += [] if outcomes[-1].traces else traces
            yield outcomes
            shots = shots[len(outcomes) :]

    def _fire(
        self, arena: Arena, mode: str, shots: list[Shot], *, closely: bool = False
    ) -> tuple[list[Outcome], list[str]]:
        """Fire until one leaves traces; return also what was found in the end."""
        oracle = Oracle(arena, self._listener, self._witness, self._output)
        outcomes: list[Outcome] = []
        found: list[str] = []
        with arena.open(mode, self._sandbox) as storage:
            oracle.begin(storage)
            for shot in shots:
                self._journal.note(f"{arena.kind}, {mode}", shot)
                outcomes.append(outcome := fire(storage, shot, arena))
                outcome.traces += oracle.after_statement()
                if closely and not outcome.traces:
                    outcome.traces += oracle.after_statements(storage)
                if outcome.traces:
                    break
            if not any(trace.startswith("stopped") for trace in outcomes[-1].traces):
                found = oracle.after_statements(storage)
        found += oracle.after_closing()
        oracle.close()
        if found or outcomes[-1].traces:
            arena.restore()
        return outcomes, found

    def _tell(self, outcomes: list[Outcome], where: str, *, tell_all: bool) -> None:
        counts = Counter(outcome.verdict for outcome in outcomes)
        sample = [outcome.shot.statement for outcome in outcomes[::16]]
        counts |= {
            "parse tried": len(sample),
            "parsed": sum(kinds(text) is not None for text in sample),
        }
        for outcome in outcomes:
            if tell_all or outcome.traces or outcome.seconds > _SLOW:
                self._write({"where": where, **asdict(outcome)})
        self._write({"counts": counts})

    def _write(self, line: dict[str, Any]) -> None:
        self._report.write(json.dumps(line) + "\n")


def fire(storage: StorageEngine, shot: Shot, arena: Arena) -> Outcome:
    """Run a statement and return how it ended."""
    sql = arena.fill(shot.statement)
    values = [str(arena.data / "secret.csv")] * sql.count("?")
    started = time.monotonic()
    verdict, shown = _run(storage, shot.entry, sql, values)
    message = repr(shown)[:300] if isinstance(shown, BaseException) else ""
    traces = reveals(shown, getattr(shown, "__cause__", None))
    if any(isinstance(error, _BREAKING) for error in _chain(shown)) and _has_stopped(storage):
        traces.append(f"stopped: {shown}"[:300])
    if verdict == "raw":
        traces.append(f"raw {type(shown).__name__}: {shown}"[:300])
    return Outcome(shot, verdict, traces, time.monotonic() - started, message)


def _has_stopped(storage: StorageEngine) -> bool:
    try:
        storage.execute_rows("SELECT 1")
    except DatabaseInvalidatedError:
        return True
    return False


def _chain(error: object) -> Iterator[BaseException]:
    while isinstance(error, BaseException):
        yield error
        error = getattr(error, "orig", None) or error.__cause__


def _run(storage: StorageEngine, entry: str, sql: str, values: list[str]) -> tuple[str, Any]:
    try:
        return "answers", ENTRIES[entry](storage, sql, values)
    except SandboxError as error:
        return "refused", error
    except QueryTimeoutError as error:
        return "timeout", error
    except (MixpanelDataError, DBAPIError) as error:
        return "error", error
    except BaseException as error:  # whatever it is, it should have been one of the others
        return "raw", error


def _seeded(numbers: Iterable[int]) -> list[Shot]:
    return [Shot(*Fuzzer(number).shot(), number) for number in numbers]


def _called(numbers: Iterable[int]) -> list[Shot]:
    known = calls()
    return [Shot(known[number], seed=number) for number in numbers if number < len(known)]


#: What makes shots of numbers.
SOURCES: dict[str, Callable[[Iterable[int]], list[Shot]]] = {"seeds": _seeded, "calls": _called}


def blocks(plan: dict[str, Any]) -> Iterator[tuple[list[Shot], str, str]]:
    """Yield batches of shots, each with the kind of file and the mode: all made by the numbers."""
    start = plan["seed"]
    for block in range(start // BATCH, sys.maxsize):
        if block % plan["jobs"] == plan["index"]:
            numbers = range(max(start, block * BATCH), (block + 1) * BATCH)
            if not (shots := SOURCES[plan["source"]](numbers)):
                return
            place = (block ^ block >> 1) % 4  # each job sees all of them
            yield shots, FILES[place // 2], MODES[place % 2]


def main() -> None:
    """Carry out the plan."""
    folder = Path(sys.argv[1])
    plan = json.loads((folder / "plan.json").read_text())
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    sys.set_int_max_str_digits(0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with Besieger(folder, sandbox=plan["sandbox"]) as besieger:
        if "shots" in plan:
            shots = [Shot(**shot) for shot in plan["shots"]]
            besieger.fire_all(shots, plan["file"], plan["mode"], tell_all=True)
            return
        deadline, left = time.monotonic() + plan["seconds"], plan["statements"]
        for shots, file, mode in blocks(plan):
            besieger.fire_all(shots[:left], file, mode, tell_all=False)
            left -= len(shots[:left])
            if left == 0 or time.monotonic() > deadline:
                return


if __name__ == "__main__":
    main()
