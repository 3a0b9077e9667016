"""Parquet files of either shape: the columns of a table, or the members of an export's lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from mixpanel_data.common.quoting import quoted
from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest.arrow_layouts import extension_in, is_text
from mixpanel_data.ingest.byte_stream import ByteStream
from mixpanel_data.ingest.decompression import damage_named
from mixpanel_data.ingest.framing import Block
from mixpanel_data.schema.property_fields import is_marked

MAGIC = b"PAR1"

#: Rows of a batch. Rich events of a batch make some megabytes.
BATCH_SIZE = 8192

#: Members that hold JSON already, where they are text.
_DOCUMENTS = {"properties", "$properties"}

_TABLE_COLUMNS = (
    {"event_name", "event_time", "distinct_id", "insert_id", "properties"},
    {"distinct_id", "properties", "last_seen"},
    {"distinct_id", "properties"},
)


@dataclass(frozen=True)
class ParquetRows:
    """The rows of a Parquet file.

    Attributes:
        name: What messages call the file.
        schema: Its columns.
        batches: Its rows, in the order of the file; read once.
    """

    name: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    @property
    def is_table(self) -> bool:
        """Whether these are the columns of a table of this library, ready to be stored."""
        return {*self.schema.names} in _TABLE_COLUMNS

    def reader(self) -> pa.RecordBatchReader:
        """Return the rows as Arrow data."""
        return pa.RecordBatchReader.from_batches(self.schema, self.batches)

    def documents(self) -> Iterator[Block]:
        """Yield the rows as JSON documents: a member a column, but for those that are NULL."""
        query = _json_query(self.schema)
        number = 1
        with duckdb.connect(":memory:", config={"threads": "1"}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for batch in self.batches:
                if not batch.num_rows:
                    continue
                connection.register("batch", pa.Table.from_batches([batch]))
                rows = connection.execute(query).fetchall()
                documents = [text.encode() for (text,) in rows]
                yield Block(documents, range(number, number + len(documents)), "row")
                number += len(documents)


def open_parquet(stream: ByteStream) -> ParquetRows:
    """Return the rows of a stream that is a Parquet file.

    Raises:
        ExportFileError: It cannot seek, or is damaged; also while rows are read.
    """
    import pyarrow.parquet as pq

    if stream.file is None:
        raise ExportFileError(
            stream.name,
            "a Parquet file is read from its end, and this stream or archive has none to go to. "
            "Save or unpack it first.",
        )
    with damage_named(stream.name, "Parquet file"):
        file = pq.ParquetFile(stream.file)
        for field in file.schema_arrow:
            if (extension := extension_in(field)) is not None:
                problem = f"the column {field.name!r} is {extension}. Write it as text or numbers."
                raise ExportFileError(stream.name, problem)
        kept = [field for field in file.schema_arrow if not is_marked(field)]
        names = [field.name for field in kept]
        return ParquetRows(stream.name, pa.schema(kept), _batches(stream.name, file, names))


def _batches(name: str, file: Any, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with damage_named(name, "Parquet file"):
        for batch in file.iter_batches(BATCH_SIZE):
            yield batch if len(columns) == batch.num_columns else batch.select(columns)


def _json_query(schema: pa.Schema) -> str:
    members = []
    for field in schema:
        column = quoted(field.name, '"')
        value = column if field.name in _DOCUMENTS and is_text(field.type) else f"to_json({column})"
        key = quoted(orjson.dumps(field.name).decode() + ":")
        members.append(f"CASE WHEN {column} IS NOT NULL THEN {key} || {value} END")
    return f"SELECT '{{' || concat_ws(',', {', '.join(members)}) || '}}' FROM batch"  # noqa: S608
