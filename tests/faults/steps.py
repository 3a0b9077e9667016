"""Random steps with a database, and what has to be in it after each of them."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mixpanel_data import StorageEngine
from tests.conftest import EVENTS, Record, make_event

TABLES = ("one", "two", "three")

#: The tables by name, each with the version of every event by its number.
State = dict[str, dict[int, int]]


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        verb: What to do.
        table: With which table.
        numbers: The events to load.
        version: What these say of themselves.
        after: The tables when it is done.
    """

    verb: str
    table: str
    numbers: range
    version: int
    after: State

    def do(self, storage: StorageEngine) -> StorageEngine:
        """Do it, and return the engine to go on with."""
        if self.verb.startswith("create"):
            key = self.verb == "create"
            storage.create_events_table(self.table, self._events(), EVENTS, primary_key=key)
        elif self.verb == "append":
            storage.append_events_table(self.table, self._events(), EVENTS)
        elif self.verb == "append newer":
            storage.append_events_table(self.table, self._events(), EVENTS, on_conflict="replace")
        elif self.verb == "drop":
            storage.drop_table(self.table)
        elif self.verb == "checkpoint":
            storage.execute_rows("CHECKPOINT")
        else:
            storage.close()
            return open_engine(storage.path, self.version)
        return storage

    def _events(self) -> Iterator[Record]:
        for number in self.numbers:
            text = str(number * 7919) * 5
            yield make_event(
                number, properties={"number": number, "version": self.version, "text": text}
            )


def steps(seed: int, state: State) -> Iterator[Step]:
    """Yield steps without end, always the same for the same seed and tables to start from."""
    choose = random.Random(seed)
    while True:
        table, version = choose.choice(TABLES), choose.getrandbits(30)
        start = choose.randrange(3000)
        numbers = range(start, start + choose.randrange(4000))
        rows = dict.fromkeys(numbers, version)
        has, others = state.get(table), {name: state[name] for name in state if name != table}
        if has is None:
            verb = choose.choice(["create", "create without key", "checkpoint", "close"])
        else:
            verb = choose.choice(["append", "append newer", "replace", "checkpoint", "close"])
        if verb == "replace":
            yield Step("drop", table, numbers, version, others)
            verb = "create"
        if verb.startswith("create"):
            state = others | {table: rows}
        elif has is not None and verb == "append":
            state = others | {table: rows | has}
        elif has is not None and verb == "append newer":
            state = others | {table: has | rows}
        yield Step(verb, table, numbers, version, state)


def open_engine(path: Path | None, seed: int) -> StorageEngine:
    """Open a database; half of them write their log into the file all the time."""
    assert path is not None
    return StorageEngine(path, config={"checkpoint_threshold": "100KB"} if seed % 2 else {})


def run(path: Path, seed: int) -> None:
    """Do steps until this process is killed; tell its id, each step, and when that is done."""
    tell(os.getpid())
    tell("open")
    storage = open_engine(path, seed)
    for step in steps(seed, state_of(storage)):
        tell("done")
        tell(step.verb)
        storage = step.do(storage)


def tell(word: object) -> None:
    """Write a line as a whole, or nothing of it."""
    os.write(sys.stdout.fileno(), f"{word}\n".encode())


def state_of(storage: StorageEngine) -> State:
    """Return what is in the tables."""
    return {
        table.name: dict(
            storage.execute_rows(
                "SELECT (properties->>'number')::BIGINT, (properties->>'version')::BIGINT "
                f"FROM {table.name}"
            )
        )
        for table in storage.list_tables()
    }
