"""How rows become files: the SQL of each format's lines or cells, and what writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import TYPE_CHECKING, Any, Literal

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.sql.builtin import qualify_builtins

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyRelation

ExportFormat = Literal["parquet", "csv", "ndjson", "mixpanel"]

#: Rows of a batch, and of a row group of Parquet.
BATCH_SIZE = 122_880

#: The format that an ending of a name says.
ENDINGS: dict[str, ExportFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".json": "ndjson",
    ".jsonl": "ndjson",
    ".ndjson": "ndjson",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}

#: Column that has a whole line.
_LINE = "line"

#: Columns that Mixpanel's format is made of.
_EVENTS = ("event_name", "event_time", "distinct_id", "insert_id", "properties")
_PROFILES = ("distinct_id", "properties", "last_seen")

#: Properties that Mixpanel's format has for columns.
_TAKEN = {_EVENTS: ("time", "distinct_id", "$insert_id"), _PROFILES: ("$last_seen",)}

#: What DuckDB writes for floats that are no numbers becomes strings. One more at the end, which is
#: removed, makes every search end outside of strings, where the next one begins.
_UP_TO_NO_NUMBER = r"""((?:"(?:[^"\\]|\\.)*"|[^"NI])*?)(-?Infinity|NaN)"""
_JSON = r"""CASE WHEN contains({text}, 'NaN') OR contains({text}, 'Infinity')
    THEN left(regexp_replace(concat({text}, 'NaN'), '{up_to_no_number}', '\1"\2"', 'g'), -5)
    ELSE {text} END"""

#: DuckDB's names of types whose values stand in CSV without quotes.
#: Arrow has the unsigned ones of 128 bits with the wrong sign.
_PLAIN = re.compile(r"U?(?:TINY|SMALL|BIG)?INT(?:EGER)?|HUGEINT|DOUBLE|FLOAT|DECIMAL\(.*\)|BOOLEAN")

#: What is quoted in the name of a type: names of members and values of enums.
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*\"""")

#: Types that Parquet lacks, or Arrow on the way there, anywhere in the name of a type.
_NOT_IN_PARQUET = re.compile(
    r"\b(?:BIT|INTERVAL|UNION|BIGNUM|UHUGEINT|TIME WITH TIME ZONE|VARIANT|STRUCT(?!\())\b"
)

#: A document on one line; only SQL could have stored one on several.
_DOCUMENT = r"""CASE WHEN contains(CAST({c} AS VARCHAR), chr(10))
    THEN CAST(json({c}) AS VARCHAR) ELSE CAST({c} AS VARCHAR) END"""

#: The members of a document behind those that are columns.
_MEMBERS = r"""CASE WHEN regexp_matches({doc}, '^\s*\{{\s*\}}\s*$') THEN '}}'
    ELSE concat(',', regexp_replace({doc}, '^\s*\{{', '')) END"""

# Seconds with a fraction of six digits; ISO 8601 where a double would not have them exactly.
_TIME = """CASE
    WHEN epoch_us(event_time) NOT BETWEEN 0 AND 4294967295999999
    THEN concat('"', strftime(event_time, '%Y-%m-%dT%H:%M:%S.%f'), 'Z"')
    ELSE concat(CAST(CAST(epoch(date_trunc('second', event_time)) AS BIGINT) AS VARCHAR),
        regexp_replace(strftime(event_time, '.%f'), '^[.]000000$', '')) END"""

_EVENT_LINE = """concat('{{"event":', CAST(to_json(event_name) AS VARCHAR),
    ',"properties":{{"time":', {time},
    ',"distinct_id":', CAST(to_json(distinct_id) AS VARCHAR),
    ',"$insert_id":', CAST(to_json(insert_id) AS VARCHAR), {members}, '}}')"""

_SEEN = r"""CASE WHEN last_seen IS NULL THEN 'null' WHEN date_trunc('second', last_seen) = last_seen
    THEN strftime(last_seen, '"%Y-%m-%dT%H:%M:%S"')
    ELSE strftime(last_seen, '"%Y-%m-%dT%H:%M:%S.%f"') END"""

_PROFILE_LINE = """concat('{{"$distinct_id":', CAST(to_json(distinct_id) AS VARCHAR),
    ',"$properties":{{"$last_seen":', {seen}, {members}, '}}')"""


def kind_of(columns: list[str]) -> tuple[str, ...] | None:
    """Return the columns of Mixpanel's format that a result has, None where it lacks one."""
    return next((found for found in (_EVENTS, _PROFILES) if set(found) <= set(columns)), None)


def unsayable(rows: DuckDBPyRelation, kind: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the id of a row that Mixpanel's format cannot express, and the property at fault."""
    key = "insert_id" if kind == _EVENTS else "distinct_id"
    for name in _TAKEN[kind]:
        path = quoted(f'$."{name}"')
        condition = qualify_builtins(f"json_exists(properties, {path})")
        if found := rows.filter(condition).project(key).limit(1).fetchall():
            return str(found[0][0]), name
    return None


def shaped(rows: DuckDBPyRelation, form: ExportFormat) -> DuckDBPyRelation:
    """Return rows as what is written: lines, cells, or as they are."""
    columns = list(zip(rows.columns, map(str, rows.types), strict=True))
    if form in _COLUMNS:
        return rows.project(", ".join(_COLUMNS[form](name, kind) for name, kind in columns))
    line = _mixpanel_line(rows.columns) if form == "mixpanel" else _line(columns)
    lines = rows.project(f"{qualify_builtins(line)} AS {_LINE}")
    return lines.project(f"{qualify_builtins(_json(_LINE))} AS {_LINE}")


def _json(text: str) -> str:
    """Return the SQL of a text of DuckDB's as JSON, which knows neither NaN nor infinities."""
    return _JSON.format(text=text, up_to_no_number=_UP_TO_NO_NUMBER)


def _cell(name: str, kind: str) -> str:
    """Return the SQL of a column of CSV: numbers, which have no quotes, and texts."""
    return quoted(name, '"') if _PLAIN.fullmatch(kind) else _as_text(name, kind)


def _stored(name: str, kind: str) -> str:
    """Return the SQL of a column of Parquet: text where Parquet does not have the type."""
    is_there = _NOT_IN_PARQUET.search(_QUOTED.sub("", kind)) is None
    return quoted(name, '"') if is_there else _as_text(name, kind)


def _as_text(name: str, kind: str) -> str:
    """Return the SQL of a column as text: JSON where the values have members."""
    column = quoted(name, '"')
    if kind == "JSON" or not kind.endswith((")", "]")) or kind.startswith("ENUM"):
        return f"CAST({column} AS VARCHAR) AS {column}"
    return qualify_builtins(_json(f"CAST(to_json({column}) AS VARCHAR)")) + f" AS {column}"


_COLUMNS: dict[ExportFormat, Callable[[str, str], str]] = {"csv": _cell, "parquet": _stored}


def _line(columns: list[tuple[str, str]]) -> str:
    parts = []
    for name, kind in columns:
        column = quoted(name, '"')
        value = (
            _DOCUMENT.format(c=column) if kind == "JSON" else f"CAST(to_json({column}) AS VARCHAR)"
        )
        label = f"CAST(to_json({quoted(name)}) AS VARCHAR)"
        parts.append(f"{label}, ':', COALESCE({value}, 'null')")
    return "concat('{', " + ", ',', ".join(parts) + ", '}')"


def _mixpanel_line(columns: list[str]) -> str:
    document = f"COALESCE({_DOCUMENT.format(c='properties')}, '{{}}')"
    members = _MEMBERS.format(doc=document)
    if kind_of(columns) == _EVENTS:
        return _EVENT_LINE.format(time=_TIME, members=members)
    return _PROFILE_LINE.format(seen=_SEEN, members=members)


@contextmanager
def writing(
    file: RawIOBase, form: ExportFormat, compression: str | None, schema: pa.Schema
) -> Iterator[Callable[[pa.RecordBatch], Any]]:
    """Provide a function that writes batches to a file.

    Args:
        file: Where to.
        form: The format.
        compression: ``gzip`` or ``zstd``; None for none. Parquet has its own, which is Zstandard.
        schema: Schema of the batches.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    if form == "parquet":
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            yield lambda batch: writer.write_batch(batch, row_group_size=BATCH_SIZE)
        return
    sink: Any = pa.PythonFile(file, "w")
    if compression is not None:
        sink = pa.CompressedOutputStream(sink, compression)
    with sink:
        if form == "csv":
            with csv.CSVWriter(sink, schema) as writer:
                yield writer.write_batch
        else:
            yield lambda batch: sink.write(_joined(batch))


def _joined(batch: pa.RecordBatch) -> bytes:
    lines = batch.column(_LINE).to_pylist()
    return "".join(f"{line}\n" for line in lines).encode()
