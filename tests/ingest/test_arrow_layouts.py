"""The layout of Arrow data changes nothing: rows are repeated, refused and stored alike.

Views are what polars hands out, run-end encoding what Parquet and databases may. pyarrow filters
neither of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mixpanel_data import StorageEngine
from tests.records import EVENTS, Record, make_event, parsed_rows

COUNT = 300


def document(number: int) -> Record:
    return {"name": f"name {number % 7}", "tags": ["a", "b" * 20], "deep": {"text": "é"}}


ROWS = [make_event(number % 200, properties=document(number % 200)) for number in range(COUNT)]
TEXTS = [{**row, "properties": json.dumps(row["properties"])} for row in ROWS]


def with_views(table: pa.Table) -> pa.Table:
    """Return a table whose text is views, at any depth."""
    return pl.from_arrow(table).to_arrow(compat_level=pl.CompatLevel.newest())


def with_runs(table: pa.Table) -> pa.Table:
    columns = [
        pc.run_end_encode(cells.combine_chunks()) if pa.types.is_string(cells.type) else cells
        for cells in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def with_dictionaries(table: pa.Table) -> pa.Table:
    columns = [
        cells.dictionary_encode() if pa.types.is_string(cells.type) else cells
        for cells in table.columns
    ]
    return pa.table(columns, names=table.column_names)


def with_list_views(table: pa.Table) -> pa.Table:
    """Return a table of structs whose lists are views."""
    documents = table["properties"].combine_chunks()
    fields = {field.name: documents.field(field.name) for field in documents.type}
    tags = fields["tags"]
    sizes = pc.list_value_length(tags)
    fields["tags"] = pa.ListViewArray.from_arrays(tags.offsets[:-1], sizes, tags.values)
    struct = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    return table.set_column(table.column_names.index("properties"), "properties", struct)


def texts(rows: list[Record] = TEXTS) -> pa.Table:
    return pa.Table.from_pylist(rows)


def structs() -> pa.Table:
    return pa.Table.from_pylist(ROWS)


LAYOUTS: dict[str, Callable[[], Any]] = {
    "text in views": lambda: with_views(texts()),
    "text in runs": lambda: with_runs(texts()),
    "text in dictionaries": lambda: with_dictionaries(texts()),
    "structs of views": lambda: with_views(structs()),
    "structs of list views": lambda: with_list_views(structs()),
    "a polars frame of text": lambda: pl.DataFrame(TEXTS),
    "a polars frame of structs": lambda: pl.DataFrame(ROWS),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_repeated_rows_are_found_in_any_layout(storage: StorageEngine, layout: str) -> None:
    storage.create_events_table("plain", ROWS, EVENTS)

    result = storage.create_events_table("events", LAYOUTS[layout](), EVENTS)

    assert (result.added, result.duplicates) == (200, 100)
    assert parsed_rows(storage, "events") == parsed_rows(storage, "plain")


@pytest.mark.parametrize("change", [with_views, with_runs, with_dictionaries])
def test_bad_rows_are_left_out_in_any_layout(
    storage: StorageEngine, change: Callable[[pa.Table], pa.Table]
) -> None:
    bad = [{**TEXTS[0], "properties": "[]"}, {**TEXTS[1], "event_name": None}]

    result = storage.create_events_table(
        "events", change(texts([*bad, *TEXTS])), EVENTS, on_error="skip"
    )

    assert (result.rejected, result.added, result.duplicates) == (2, 200, 100)
