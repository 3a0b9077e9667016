"""Mixpanel's own export files into a table."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from pathlib import Path

import orjson

from benchmarks.case import Role, Run, case
from benchmarks.cases.common import (
    WARM_UP_ROWS,
    count_events,
    load_with_engine,
    metadata,
    timed_load,
)
from benchmarks.events import open_export, unique_count, write_export

Load = Callable[[Path, Path], None]

FORMS = {
    f"{shape}, {form}": {"shape": shape, "suffix": suffix}
    for shape in ("small", "rich")
    for form, suffix in (("plain", ".jsonl"), ("gzip", ".jsonl.gz"))
}

KEEPS_ALL = "keeps repeated ids, and time and ids in the properties too"


def _write_files(run: Run, shape: str, suffix: str) -> None:
    for rows in (WARM_UP_ROWS, run.rows):
        write_export(_export(run, shape, suffix, rows), shape, rows)


def _export(run: Run, shape: str, suffix: str, rows: int) -> Path:
    return run.shared / f"{shape}-{rows}{suffix}"


def loading(
    label: str,
    *,
    role: Role | None = None,
    note: str = "",
    unique: bool = True,
    makes_table: bool = True,
) -> Callable[[Load], Load]:
    """Register a function that loads an export file into a new database file.

    Args:
        label: As for ``case``.
        role: As for ``case``.
        note: As for ``case``.
        unique: The function leaves one row per ``insert_id``.
        makes_table: The function makes a table.
    """

    def register(load: Load) -> Load:
        @case("files", label, groups=FORMS, role=role, note=note, prepare=_write_files)
        @functools.wraps(load)
        def run_load(run: Run, shape: str, suffix: str) -> None:
            trial, export = (_export(run, shape, suffix, n) for n in (WARM_UP_ROWS, run.rows))
            timed_load(run, load, trial, export)
            if makes_table:
                rows = unique_count(run.rows) if unique else run.rows
                run.expect(count_events(run.database), rows)

        return load

    return register


@loading("floor: orjson.loads of each line", role="floor", makes_table=False)
def floor(database: Path, export: Path) -> None:
    with open_export(export, "rb") as file:
        deque(map(orjson.loads, file), maxlen=0)


@loading("**mixpanel_data**, load_events_export, primary_key=False", role="ours")
def load_export_without_key(database: Path, export: Path) -> None:
    from mixpanel_data import StorageEngine

    with StorageEngine(database) as storage:
        storage.load_events_export("events", export, metadata(), primary_key=False)


@loading("… with key (the default)")
def load_export(database: Path, export: Path) -> None:
    from mixpanel_data import StorageEngine

    with StorageEngine(database) as storage:
        storage.load_events_export("events", export, metadata())


@loading("… read_events_export into create_events_table, with key")
def read_export(database: Path, export: Path) -> None:
    from mixpanel_data import read_events_export

    load_with_engine(database, read_events_export(export))


@loading("DuckDB read_json, the same extraction", unique=False, note="keeps repeated ids")
def read_json_moved(database: Path, export: Path) -> None:
    keys = '{"time": null, "distinct_id": null, "$insert_id": null}'
    others = f"json_merge_patch(properties, '{keys}'::JSON) AS properties"
    _read_json(
        database,
        f"CREATE TABLE events AS SELECT * REPLACE ({others}) FROM ({_extracted(export)})",
    )


@loading("DuckDB read_json, keys copied", unique=False, note=KEEPS_ALL)
def read_json(database: Path, export: Path) -> None:
    _read_json(database, f"CREATE TABLE events AS {_extracted(export)}")


@loading(
    "… with DISTINCT ON (insert_id), then ADD PRIMARY KEY",
    note="time and ids stay in the properties",
)
def read_json_with_key(database: Path, export: Path) -> None:
    _read_json(
        database,
        f"CREATE TABLE events AS SELECT DISTINCT ON (insert_id) * FROM ({_extracted(export)})",
        "ALTER TABLE events ADD PRIMARY KEY (insert_id)",
    )


def _read_json(database: Path, *statements: str) -> None:
    import duckdb

    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            connection.execute(statement)


# One call for all paths parses the text once, which is faster than an arrow for each.
_KEYS = """json_extract_string(properties, ['$.time', '$.distinct_id', '$."$insert_id"'])"""


def _extracted(export: Path) -> str:
    return f"""
        SELECT event AS event_name, make_timestamp(keys[1]::BIGINT * 1000000) AS event_time,
            keys[2] AS distinct_id, keys[3] AS insert_id, properties
        FROM (
            SELECT event, properties, {_KEYS} AS keys
            FROM read_json(
                '{export}', format = 'newline_delimited',
                columns = {{event: 'VARCHAR', properties: 'JSON'}}
            )
        )
    """
