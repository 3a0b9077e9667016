"""Random steps on a database, and the contents expected after each."""

from __future__ import annotations

import gzip
import json
import os
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixpanel_data import StorageEngine
from mixpanel_data.types import TableType
from tests.records import EVENTS, PROFILES, Record, make_event, make_profile

TABLES: dict[str, TableType] = {
    "one": "events",
    "two": "events",
    "users": "profiles",
    "others": "profiles",
}
METADATA = {"events": EVENTS, "profiles": PROFILES}

#: The keywords of every verb that loads.
LOADS: dict[str, dict[str, Any]] = {
    "create": {},
    "create without key": {"primary_key": False},
    "append": {},
    "append newer": {"on_conflict": "replace"},
    "create again": {"if_exists": "replace"},
}

#: What makes an export file of its lines; None where the records are loaded without one.
SOURCES: dict[str, Callable[[bytes], bytes] | None] = {
    "records": None,
    "file": bytes,
    "gzip": gzip.compress,
    "array": lambda lines: b"[" + lines.replace(b"\n", b",") + b"]" if lines else b"",
    "bad lines": lambda lines: b"no\n" + lines + b"\nno",
}

#: Name of the file of rejects, beside the export.
REJECTS = "rejects.jsonl"

#: The tables by name, each with the version of every record by its number.
State = dict[str, dict[int, int]]


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes:
        verb: What to do.
        table: With which table.
        source: What to load from.
        numbers: The records to load.
        version: What these say of themselves.
        after: The tables when it is done.
    """

    verb: str
    table: str
    source: str
    numbers: range
    version: int
    after: State

    @property
    def name(self) -> str:
        """What is done, but for the data."""
        loads = self.verb in LOADS
        return f"{self.verb} {TABLES[self.table]}, {self.source}" if loads else self.verb

    def do(self, storage: StorageEngine, export: Path) -> StorageEngine:
        """Do it, by way of an export file if need be, and return the engine to go on with."""
        if self.verb in LOADS:
            self._load(storage, export)
        elif self.verb == "drop":
            storage.drop_table(self.table)
        elif self.verb == "checkpoint":
            storage.execute_rows("CHECKPOINT")
        else:
            storage.close()
            return open_storage(storage.path, self.version)
        return storage

    def _load(self, storage: StorageEngine, export: Path) -> None:
        kind, verb = TABLES[self.table], self.verb.split()[0]
        metadata, keywords = METADATA[kind], LOADS[self.verb]
        write = SOURCES[self.source]
        if write is None:
            load = getattr(storage, f"{verb}_{kind}_table")
            load(self.table, self._records(kind), metadata, **keywords)
        else:
            lines = (json.dumps(line_of(record)) for record in self._records(kind))
            export.write_bytes(write("\n".join(lines).encode()))
            load = getattr(storage, f"load_{kind}_export")
            options = {"if_exists": "append"} if verb == "append" else {}
            if self.source == "bad lines":
                options |= {"on_error": "skip", "rejects": str(export.with_name(REJECTS))}
            load(self.table, export, metadata, **options, **keywords)

    def _records(self, kind: TableType) -> Iterator[Record]:
        make = {"events": make_event, "profiles": make_profile}[kind]
        for number in self.numbers:
            text = str(number * 7919) * 5
            yield make(number, properties={"number": number, "version": self.version, "text": text})


def line_of(record: Record) -> Record:
    """Return a record as a line of an export; some such that only Python can read it."""
    properties = record["properties"]
    if "event_name" not in record:
        properties = {"$last_seen": record["last_seen"].isoformat(), **properties}
        return {"$distinct_id": record["distinct_id"], "$properties": properties}
    time = record["event_time"].timestamp()
    moved = {
        "time": int(time) if properties["number"] % 50 else time,
        "distinct_id": record["distinct_id"],
        "$insert_id": record["insert_id"],
    }
    return {"event": record["event_name"], "properties": {**moved, **properties}}


def steps(seed: int, state: State) -> Iterator[Step]:
    """Yield steps without end, always the same for the same seed and tables to start from."""
    choose = random.Random(seed)
    while True:
        table, version = choose.choice(list(TABLES)), choose.getrandbits(30)
        start, source = choose.randrange(3000), choose.choice(list(SOURCES))
        numbers = range(start, start + choose.randrange(4000))
        rows = dict.fromkeys(numbers, version)
        has, others = state.get(table), {name: state[name] for name in state if name != table}
        if has is None:
            verb = choose.choice(["create", "create without key", "checkpoint", "close"])
        else:
            verb = choose.choice(["append", "append newer", "replace", "checkpoint", "close"])
        if verb == "replace":
            verb = choose.choice(["create", "create again"])
            if verb == "create":
                yield Step("drop", table, source, numbers, version, others)
        if verb.startswith("create"):
            state = others | {table: rows}
        elif has is not None and verb == "append":
            state = others | {table: rows | has}
        elif has is not None and verb == "append newer":
            state = others | {table: has | rows}
        yield Step(verb, table, source, numbers, version, state)


def open_storage(path: Path | None, seed: int) -> StorageEngine:
    """Open a database; half of them write their log into the file all the time."""
    assert path is not None
    return StorageEngine(path, config={"checkpoint_threshold": "100KB"} if seed % 2 else {})


def run_until_killed(path: Path, seed: int) -> None:
    """Do steps until this process is killed; tell its id, each step, and when that is done."""
    tell(os.getpid())
    tell("open")
    storage = open_storage(path, seed)
    export = path.parent.with_name("export")
    for step in steps(seed, state_of(storage)):
        tell("done")
        tell(step.name)
        storage = step.do(storage, export)


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
