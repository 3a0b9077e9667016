"""What the cases of several sections share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson

from benchmarks.case import Run
from benchmarks.events import Record

if TYPE_CHECKING:
    import pyarrow as pa

    from mixpanel_data import TableMetadata

#: Records with which a case is tried before the clock starts, so that nothing is imported then.
WARM_UP_ROWS = 10

SHAPES = {"small": {"shape": "small"}, "rich": {"shape": "rich"}}

KEYED_TABLE = """CREATE TABLE events (
    event_name VARCHAR NOT NULL,
    event_time TIMESTAMP NOT NULL,
    distinct_id VARCHAR NOT NULL,
    insert_id VARCHAR PRIMARY KEY,
    properties JSON
)"""


def metadata(kind: Literal["events", "profiles"] = "events") -> TableMetadata:
    """Return metadata for a table."""
    from mixpanel_data import TableMetadata

    return TableMetadata(type=kind, fetched_at=datetime(2025, 2, 1, tzinfo=timezone.utc))


def load_with_engine(database: Path, data: Iterable[Any], *, primary_key: bool = True) -> None:
    """Create the table ``events`` with our engine."""
    from mixpanel_data import StorageEngine

    with StorageEngine(database) as storage:
        storage.create_events_table("events", data, metadata(), primary_key=primary_key)


def count_events(database: Path, table: str = "events") -> int:
    """Return the number of rows of a table, asking DuckDB."""
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0]
    return int(rows)


def timed_load(run: Run, load: Callable[[Path, Any], None], trial: Any, data: Any) -> None:
    """Time a way of loading, after a trial into another file.

    Args:
        run: The run.
        load: Called with the database file, which is not there yet, and the data.
        trial: Little data.
        data: The data.
    """
    load(run.folder / "trial.db", trial)
    with run.timed():
        load(run.database, data)


def with_text(events: Iterable[Record]) -> Iterator[Record]:
    """Yield records with their properties as JSON text."""
    for event in events:
        yield {**event, "properties": orjson.dumps(event["properties"]).decode()}


def arrow_tables(events: Iterable[Record], page_size: int) -> Iterator[pa.Table]:
    """Yield records as Arrow tables, with their properties as JSON text."""
    import pyarrow as pa

    types = dict.fromkeys(("event_name", "event_time", "distinct_id", "insert_id"), pa.string())
    types |= {"event_time": pa.timestamp("us", tz="UTC"), "properties": pa.string()}
    rows = with_text(events)
    while page := list(islice(rows, page_size)):
        yield pa.Table.from_pylist(page, schema=pa.schema(types))
