"""Python records into a table: how many a second, against every other way that people use."""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import orjson

from benchmarks.case import Role, Run, case
from benchmarks.cases.common import (
    KEYED_TABLE,
    SHAPES,
    WARM_UP_ROWS,
    arrow_tables,
    count_events,
    load_with_engine,
    timed_load,
    with_text,
)
from benchmarks.events import Record, records, unique_count

Load = Callable[[Path, Iterator[Record]], None]
Count = Callable[[Path], int]

KEEPS_REPEATS = "keeps repeated ids"


def loading(
    label: str,
    *,
    role: Role | None = None,
    sample: int | None = None,
    note: str = "",
    unique: bool = True,
    count: Count | None = count_events,
) -> Callable[[Load], Load]:
    """Register a function that loads records into a new file.

    Args:
        label: As for ``case``.
        role: As for ``case``.
        sample: As for ``case``.
        note: As for ``case``.
        unique: The function leaves one row per ``insert_id``.
        count: Counts the rows of the file, None when there is no file.
    """

    def register(load: Load) -> Load:
        @case("load", label, groups=SHAPES, role=role, sample=sample, note=note)
        @functools.wraps(load)
        def run_load(run: Run, shape: str) -> None:
            timed_load(run, load, records(shape, WARM_UP_ROWS), records(shape, run.rows))
            if count is not None:
                run.expect(count(run.database), unique_count(run.rows) if unique else run.rows)

        return load

    return register


@loading("floor: produce and orjson.dumps each record", role="floor", count=None)
def floor(database: Path, events: Iterator[Record]) -> None:
    deque(map(orjson.dumps, events), maxlen=0)


@loading("**mixpanel_data**, with key (the default)", role="ours")
def ours(database: Path, events: Iterator[Record]) -> None:
    load_with_engine(database, events)


@loading("**mixpanel_data**, primary_key=False")
def ours_without_key(database: Path, events: Iterator[Record]) -> None:
    load_with_engine(database, events, primary_key=False)


@loading("DuckDB executemany, INSERT OR IGNORE, 1,000 a batch, key", sample=3_000)
def executemany(database: Path, events: Iterator[Record]) -> None:
    _executemany(database, events, one_transaction=False)


@loading("… the same in one transaction", sample=3_000)
def executemany_at_once(database: Path, events: Iterator[Record]) -> None:
    _executemany(database, events, one_transaction=True)


def _executemany(database: Path, events: Iterator[Record], *, one_transaction: bool) -> None:
    import duckdb

    with duckdb.connect(str(database)) as connection:
        connection.execute(KEYED_TABLE)
        if one_transaction:
            connection.begin()
        while batch := [tuple(row.values()) for row in islice(with_text(events), 1_000)]:
            connection.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", batch)
        if one_transaction:
            connection.commit()


@loading("DuckDB INSERT OR IGNORE from pandas frames of 50,000, key")
def frames(database: Path, events: Iterator[Record]) -> None:
    import duckdb
    import pandas as pd

    with duckdb.connect(str(database)) as connection:
        connection.execute(KEYED_TABLE)
        while page := list(islice(with_text(events), 50_000)):
            connection.register("frame", pd.DataFrame(page))
            connection.execute("INSERT OR IGNORE INTO events SELECT * FROM frame")


# One statement for many rows (method="multi") takes nearly twice as long.
@loading("pandas to_sql, duckdb-engine, frames of 10,000", unique=False, note=KEEPS_REPEATS)
def to_sql(database: Path, events: Iterator[Record]) -> None:
    import pandas as pd
    from sqlalchemy import create_engine

    engine = create_engine(f"duckdb:///{database}")
    with engine.begin() as connection:
        while page := list(islice(with_text(events), 10_000)):
            pd.DataFrame(page).to_sql("events", connection, index=False, if_exists="append")
    engine.dispose()


@loading("DuckDB read_json of a file written first", unique=False, note=KEEPS_REPEATS)
def read_json(database: Path, events: Iterator[Record]) -> None:
    _read_json(database, events, "SELECT *")


@loading("… with DISTINCT ON (insert_id), then ADD PRIMARY KEY")
def read_json_with_key(database: Path, events: Iterator[Record]) -> None:
    _read_json(
        database,
        events,
        "SELECT DISTINCT ON (insert_id) *",
        "ALTER TABLE events ADD PRIMARY KEY (insert_id)",
    )


def _read_json(database: Path, events: Iterator[Record], select: str, *then: str) -> None:
    import duckdb

    path = database.with_suffix(".jsonl")
    with path.open("wb", buffering=1024 * 1024) as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in events)
    columns = (
        "{event_name: 'VARCHAR', event_time: 'TIMESTAMP', distinct_id: 'VARCHAR', "
        "insert_id: 'VARCHAR', properties: 'JSON'}"
    )
    source = f"read_json('{path}', format = 'newline_delimited', columns = {columns})"
    with duckdb.connect(str(database)) as connection:
        for statement in (f"CREATE TABLE events AS {select} FROM {source}", *then):
            connection.execute(statement)


def _count_dlt(database: Path) -> int:
    return count_events(database, "mixpanel.events")


@loading("dlt, merge on insert_id, its defaults, row by row", sample=20_000, count=_count_dlt)
def dlt_defaults(database: Path, events: Iterator[Record]) -> None:
    _run_dlt(database, lambda: events)


@loading("dlt, merge on insert_id, pages of 10,000 dicts, Parquet", count=_count_dlt)
def dlt_dicts(database: Path, events: Iterator[Record]) -> None:
    _run_dlt(database, lambda: iter(lambda: list(islice(events, 10_000)), []), "parquet")


@loading("… from Arrow tables made of 10,000 records each", count=_count_dlt)
def dlt_arrow(database: Path, events: Iterator[Record]) -> None:
    _run_dlt(database, lambda: arrow_tables(events, 10_000), "parquet")


def _run_dlt(
    database: Path, data: Callable[[], Iterator[object]], file_format: str | None = None
) -> None:
    """Load data with types declared.

    With a file format, as dlt's own advice on speed has it: Parquet instead of INSERT VALUES, pages
    instead of rows, and files that rotate so that all cores but one can normalize.
    """
    os.environ.update(
        DLT_DATA_DIR=str(database.parent / "dlt"),
        RUNTIME__DLTHUB_TELEMETRY="false",
        RUNTIME__LOG_LEVEL="ERROR",
    )
    if file_format is not None:
        os.environ.update(
            EXTRACT__DATA_WRITER__FILE_MAX_ITEMS="100000",
            NORMALIZE__WORKERS=str(max(1, (os.cpu_count() or 1) - 1)),
        )
    import dlt

    types = dict.fromkeys(("event_name", "distinct_id", "insert_id"), "text")
    types |= {"event_time": "timestamp", "properties": "json"}
    resource = dlt.resource(
        data,
        name="events",
        primary_key="insert_id",
        write_disposition="merge",
        columns={name: {"data_type": kind} for name, kind in types.items()},
    )
    pipeline = dlt.pipeline(
        database.stem,
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="mixpanel",
        pipelines_dir=str(database.parent / "pipelines"),
    )
    pipeline.run(resource, loader_file_format=file_format)


def _count_sqlite(database: Path) -> int:
    from sqlite_utils import Database

    return int(Database(database)["events"].count)


@loading("sqlite-utils insert_all, ignore=True, WAL (SQLite)", count=_count_sqlite)
def sqlite_utils(database: Path, events: Iterator[Record]) -> None:
    from sqlite_utils import Database

    store = Database(database)
    store.enable_wal()
    store["events"].insert_all(events, pk="insert_id", ignore=True, batch_size=1_000)
    store.close()
