"""Arbitrary Arrow columns are stored exactly, or refused by index and column, and none stored."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data import RecordError
from mixpanel_data.ingest.identities import Identities
from tests.engines import empty_storage
from tests.fuzz.test_records import EPOCH, as_id, fuzzed
from tests.records import EVENTS, make_events

ROWS = 3

words = st.text(max_size=5)
documents = st.dictionaries(words, st.none() | st.integers(-9, 9) | words, max_size=2).map(
    json.dumps
)
structs = st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9), "b": st.none() | words})
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))

#: For each type that a column may come with, the values it may have.
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), words | documents | moments.map(str)),
    (pa.large_string(), words | documents),
    (pa.dictionary(pa.int8(), pa.string()), words | documents),
    (pa.binary(), st.binary(max_size=3)),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.uint8(), st.integers(0, 255)),
    (pa.float64(), st.floats()),
    (pa.bool_(), st.booleans()),
    (pa.null(), st.none()),
    (pa.date32(), moments.map(datetime.date)),
    (pa.timestamp("s"), moments.map(lambda moment: moment.replace(microsecond=0))),
    (pa.timestamp("us"), moments),
    (pa.timestamp("us", "Asia/Kolkata"), moments.map(lambda m: m.replace(tzinfo=timezone.utc))),
    (pa.timestamp("ns", "UTC"), moments.map(lambda m: m.replace(tzinfo=timezone.utc))),
    (pa.list_(pa.string()), st.lists(words, max_size=2)),
    (pa.struct({"a": pa.int64(), "b": pa.string()}), structs),
    (
        pa.map_(pa.string(), pa.int64()),
        st.dictionaries(words, st.integers(-9, 9), max_size=2).map(lambda found: [*found.items()]),
    ),
]


@st.composite
def columns(draw: st.DrawFn) -> pa.Array:
    """Draw a column of any type, now and then with a null."""
    kind, values = draw(st.sampled_from(KINDS))
    cells = values if draw(st.booleans()) else values | st.none()
    return pa.array(draw(st.lists(cells, min_size=ROWS, max_size=ROWS)), kind)


def text_of(cell: Any) -> str:
    assert type(cell) in (str, int)
    return str(cell)


def time_of(cell: Any) -> int:
    """Return the microseconds since the epoch that a cell means."""
    if isinstance(cell, str) and cell.isascii() and cell.isdigit():
        cell = int(cell)
    if isinstance(cell, str):
        cell = datetime.fromisoformat(cell)
    if isinstance(cell, (int, float)):
        return round(cell * 1_000_000)
    if not isinstance(cell, datetime):
        assert isinstance(cell, date)
        cell = datetime(cell.year, cell.month, cell.day)
    aware: datetime = cell if cell.tzinfo is not None else cell.replace(tzinfo=timezone.utc)
    return (aware - EPOCH) // timedelta(microseconds=1)


def document_of(cell: Any) -> Any:
    if isinstance(cell, str):
        found = json.loads(cell)
        assert isinstance(found, dict)
        return found
    return dict(cell)  # of a struct, or the pairs of a map


@fuzzed
@given(
    changes=st.dictionaries(
        st.sampled_from(["event_name", "event_time", "distinct_id", "insert_id", "properties"]),
        columns(),
        max_size=2,
    ),
    in_pieces=st.booleans(),
)
def test_any_columns_are_stored_exactly_or_refused_by_index(
    changes: dict[str, pa.Array], in_pieces: bool
) -> None:
    good = pa.Table.from_pylist(
        [event | {"properties": json.dumps(event["properties"])} for event in make_events(ROWS)]
    )
    table = pa.table({name: changes.get(name, good[name]) for name in good.column_names})
    if in_pieces:
        table = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    with empty_storage() as storage:
        refused = None
        try:
            storage.create_events_table("t", table, EVENTS, primary_key=False)
        except RecordError as error:
            refused = error
        if refused is not None:
            assert refused.field in changes
            assert 0 <= refused.index < ROWS
            assert not storage.table_exists("t")
            return
        rows = storage.execute_rows(
            "SELECT event_name, epoch_us(event_time), distinct_id, insert_id, properties FROM t"
        )
    expected: dict[str, tuple[Any, ...]] = {}  # the first of each key stays
    identities = Identities()
    for event in table.to_pylist():
        name, user = text_of(event["event_name"]), as_id(event["distinct_id"])
        time, document = time_of(event["event_time"]), document_of(event["properties"])
        key = as_id(event["insert_id"]) or identities.next_id(
            {
                "event_name": name,
                "event_time": EPOCH + timedelta(microseconds=time),
                "distinct_id": user,
                "properties": document,
            }
        )
        expected.setdefault(key, (name, time, user, key, document))
    assert [(*row, json.loads(text)) for *row, text in rows] == [*expected.values()]
