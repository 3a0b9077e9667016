"""Tables that are columns already: Arrow, pandas, polars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.case import Run, case
from benchmarks.cases.common import (
    WARM_UP_ROWS,
    arrow_tables,
    count_events,
    load_with_engine,
    timed_load,
)
from benchmarks.events import records, unique_count

SOURCES = {
    f"{shape}, {source}": {"shape": shape, "source": source}
    for shape in ("small", "rich")
    for source in ("Arrow table", "pandas frame", "polars frame")
}


@case("columnar", "floor: DuckDB CREATE TABLE AS", groups=SOURCES, role="floor")
def floor(run: Run, shape: str, source: str) -> None:
    import duckdb

    def load(database: Path, data: Any) -> None:
        with duckdb.connect(str(database)) as connection:
            connection.register("data", data)
            connection.execute("CREATE TABLE events AS SELECT * FROM data")

    timed_load(run, load, _table(shape, source, WARM_UP_ROWS), _table(shape, source, run.rows))
    run.expect(count_events(run.database), run.rows)


@case("columnar", "**mixpanel_data**, with key (the default)", groups=SOURCES, role="ours")
def ours(run: Run, shape: str, source: str) -> None:
    _load_ours(run, shape, source, primary_key=True)


@case("columnar", "**mixpanel_data**, primary_key=False", groups=SOURCES)
def ours_without_key(run: Run, shape: str, source: str) -> None:
    _load_ours(run, shape, source, primary_key=False)


def _load_ours(run: Run, shape: str, source: str, *, primary_key: bool) -> None:
    def load(database: Path, data: Any) -> None:
        load_with_engine(database, data, primary_key=primary_key)

    timed_load(run, load, _table(shape, source, WARM_UP_ROWS), _table(shape, source, run.rows))
    run.expect(count_events(run.database), unique_count(run.rows))


def _table(shape: str, source: str, rows: int) -> Any:
    import pyarrow as pa

    table = pa.concat_tables(arrow_tables(records(shape, rows), 10_000))
    if source == "pandas frame":
        return table.to_pandas()
    if source == "polars frame":
        import polars as pl

        return pl.from_arrow(table)
    return table
