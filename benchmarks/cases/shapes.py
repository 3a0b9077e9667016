"""Every shape that data comes in, per byte of JSON, against the plainest one of the same way in.

A shape is a change to each rich event, to its line in an export, or to a whole file or frame. All
of the data is there before the timer starts: to make an ``OrderedDict`` takes longer than to load
it. So the peak memory of records and frames has theirs in it.
"""

from __future__ import annotations

import gzip
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import orjson

from benchmarks.case import Run, case
from benchmarks.cases.common import WARM_UP_ROWS, arrow_tables, metadata, timed_load
from benchmarks.events import Record, export_line, records

Change = Callable[[Record], Record]
Convert = Callable[[Any], Any]

PLAIN = "plain"


def _same(data: Any) -> Any:
    return data


def _having(**properties: Any) -> Change:
    """Return a change that adds properties."""

    def change(record: Record) -> Record:
        record["properties"] |= properties
        return record

    return change


def _lacking(name: str) -> Change:
    """Return a change that takes away a member, of the record or of its properties."""

    def change(record: Record) -> Record:
        record.pop(name, None)
        record["properties"].pop(name, None)
        return record

    return change


def _other(name: str, convert: Convert) -> Change:
    """Return a change of a member, of the record or of its properties."""

    def change(record: Record) -> Record:
        place = record if name in record else record["properties"]
        place[name] = convert(place[name])
        return record

    return change


def _profile(record: Record) -> Record:
    return {"distinct_id": record["insert_id"], "properties": record["properties"]}


def _profile_line(line: Record) -> Record:
    properties = line["properties"]
    del properties["distinct_id"]
    identity, seen = properties.pop("$insert_id"), properties.pop("time")
    return {"$distinct_id": identity, "$properties": properties | {"$last_seen": _iso(seen)[:19]}}


def _pipeline_line(line: Record) -> Record:
    properties = line["properties"]
    user = properties.pop("distinct_id")
    return {
        "event_name": line["event"],
        "time": properties.pop("time"),
        "distinct_id": user,
        "insert_id": properties.pop("$insert_id"),
        "user_id": user,
        "device_id": "",
        "properties": properties,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _number_of(user: str) -> int:
    return int(user.removeprefix("user-"))


def _numpy(properties: Record) -> Record:
    import numpy as np

    price, quantity = np.float64(properties["price"]), np.int64(properties["quantity"])
    return properties | {"price": price, "quantity": quantity}


#: Changes of the document, which records, lines and frames can have.
DOCUMENTS: dict[str, Change] = {
    "nested nulls": _having(cart={"items": 3, "coupon": None, "sizes": [1, None, 3]}),
    "unicode": _having(
        **{"search terms": "Wanderschuhe für breite Füße, 防水 🥾", "$city": "Москва"}
    ),
    "the words inf and nan": _having(coupon="inf", note="a banana, Infinity, NaN"),
    "200 properties": _having(**{f"property {n}": f"value {n}" for n in range(200)}),
    "100 kB documents": _having(**{f"p{n}": "words of a text, " * 6 for n in range(900)}),
}

RECORDS: dict[str, Change] = {
    PLAIN: _same,
    **DOCUMENTS,
    "no insert_id": _lacking("insert_id"),
    "numeric distinct_id": _other("distinct_id", _number_of),
    "epoch seconds": _other("event_time", lambda time: int(time.timestamp())),
    "float seconds": _other("event_time", lambda time: time.timestamp() + 0.25),
    "ISO 8601 times": _other("event_time", lambda time: time.isoformat()),
    "integer keys": _having(sizes={41: 2, 42: 7, 43: 1}),
    "numpy values": _other("properties", _numpy),
    "OrderedDict": _other("properties", OrderedDict),
    "Decimal": _other("price", lambda price: Decimal(str(price))),
    "profiles": lambda record: _profile(record) | {"last_seen": record["event_time"]},
    "profiles without last_seen": _profile,
}

LINES: dict[str, Change] = {
    PLAIN: _same,
    **DOCUMENTS,
    "an extra member": lambda line: line | {"source": "web"},
    "no $insert_id": _lacking("$insert_id"),
    "no distinct_id": _lacking("distinct_id"),
    "numeric distinct_id": _other("distinct_id", _number_of),
    "time in milliseconds": _other("time", lambda time: time * 1000),
    "float seconds": _other("time", lambda time: time + 0.25),
    "ISO 8601 times": _other("time", _iso),
    "JSON pipelines": _pipeline_line,
    "profiles": _profile_line,
}


def _joined(lines: Iterable[Record]) -> bytes:
    return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    compressed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return compressed


#: Changes of the whole file; its size is that of the plain lines.
FILES: dict[str, Callable[[list[Record]], bytes]] = {
    "gzip": lambda lines: gzip.compress(_joined(lines), 6),
    "zstd": lambda lines: _zstd(_joined(lines)),
    "an array": orjson.dumps,
    "a pretty-printed array": lambda lines: orjson.dumps(lines, option=orjson.OPT_INDENT_2),
}


def _structs(table: Any) -> Any:
    import pyarrow as pa

    documents = pa.array(map(orjson.loads, table["properties"].to_pylist()))
    return table.set_column(table.column_names.index("properties"), "properties", documents)


def _dicts(table: Any) -> Any:
    frame = table.to_pandas()
    return frame.assign(properties=frame["properties"].map(orjson.loads))


def _polars(table: Any) -> Any:
    import polars as pl

    return pl.from_arrow(_structs(table))


#: Changes of an Arrow table whose documents are JSON text.
FRAMES: dict[str, Convert] = {
    "no insert_id": lambda table: table.drop_columns(["insert_id"]),
    "documents are structs": _structs,
    "pandas, documents are text": lambda table: table.to_pandas(),
    "pandas, documents are dicts": _dicts,
    "polars, documents are structs": _polars,
}


def _made(change: Change, rows: int, make: Convert = _same) -> Iterator[Record]:
    return (change(make(record)) for record in records("rich", rows))


def _size(data: Iterable[Record]) -> int:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return sum(len(orjson.dumps(record, default=str, option=options)) for record in data)


def _rows(change: Change, rows: int, make: Convert = _same) -> int:
    """Return fewer rows than asked for where they are larger: the bytes stay about the same."""
    plain, changed = (_size(_made(one, 1, make)) for one in (_same, change))
    return max(WARM_UP_ROWS, rows * plain // max(plain, changed))


def _register(way: str, name: str, load: Callable[[Run], None], **more: Any) -> None:
    load.__name__ = f"{way}, {name}"
    case("shapes", name, groups={way: {}}, role="floor" if name == PLAIN else None, **more)(load)


def _load(run: Run, method: str, name: str, trial: Any, data: Any, size: int) -> None:
    from mixpanel_data import StorageEngine

    kind: Literal["events", "profiles"] = "profiles" if name.startswith("profiles") else "events"

    def load(database: Path, data: Any) -> None:
        with StorageEngine(database) as storage:
            write = getattr(storage, method.format(kind))
            write(kind, data, metadata(kind), primary_key=False)

    timed_load(run, load, trial, data)
    run.rows = size // 1000


def _of_records(name: str, change: Change) -> None:
    def load(run: Run) -> None:
        rows = _rows(change, run.rows)
        trial, data = list(_made(change, WARM_UP_ROWS)), list(_made(change, rows))
        _load(run, "create_{}_table", name, trial, data, _size(data))

    _register("records", name, load)


def _of_files(name: str, change: Change, write: Callable[[list[Record]], bytes] = _joined) -> None:
    def path(run: Run, rows: int) -> Path:
        return run.shared / f"{name} {rows}"

    def prepare(run: Run) -> None:
        for rows in (WARM_UP_ROWS, _rows(change, run.rows, export_line)):
            path(run, rows).write_bytes(write(list(_made(change, rows, export_line))))

    def load(run: Run) -> None:
        rows = _rows(change, run.rows, export_line)
        size = _size(_made(change, rows, export_line))
        _load(run, "load_{}_export", name, path(run, WARM_UP_ROWS), path(run, rows), size)

    _register("files", name, load, prepare=prepare)


def _of_frames(name: str, change: Change, convert: Convert = _same) -> None:
    def table(rows: int) -> Any:
        import pyarrow as pa

        return convert(pa.concat_tables(arrow_tables(_made(change, rows), 10_000)))

    def load(run: Run) -> None:
        rows = _rows(change, run.rows)
        size = _size(_made(change, rows))
        _load(run, "create_{}_table", name, table(WARM_UP_ROWS), table(rows), size)

    _register("frames", name, load)


for _name, _change in RECORDS.items():
    _of_records(_name, _change)
for _name, _change in LINES.items():
    _of_files(_name, _change)
for _name, _write in FILES.items():
    _of_files(_name, _same, _write)
for _name, _change in {PLAIN: _same, **DOCUMENTS}.items():
    _of_frames(_name, _change)
for _name, _convert in FRAMES.items():
    _of_frames(_name, _same, _convert)
