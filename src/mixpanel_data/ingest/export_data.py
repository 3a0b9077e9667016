"""The one reader of data as people have it: whatever was given becomes documents or Arrow rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mixpanel_data.ingest.binary_files import refuse_binary
from mixpanel_data.ingest.byte_stream import ByteStream
from mixpanel_data.ingest.csv_advice import refuse_csv
from mixpanel_data.ingest.decompression import decompressed
from mixpanel_data.ingest.framing import MAX_DOCUMENT_BYTES, Block, documents_in
from mixpanel_data.ingest.parquet_files import MAGIC, ParquetRows, open_parquet
from mixpanel_data.ingest.shapes import page_results
from mixpanel_data.ingest.sources import Objects, Source

#: What the beginning of CSV has to show.
_HEADER = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """What data may have at most.

    Attributes:
        decompressed_bytes: Bytes that an archive may unpack to; None for a thousand times its size.
        document_bytes: Bytes of one document.
    """

    decompressed_bytes: int | None = None
    document_bytes: int = MAX_DOCUMENT_BYTES


@dataclass(frozen=True)
class Rows:
    """Some rows of one file, or all of it. They are read before the next ones are asked for.

    Attributes:
        source: The file they are from, as in messages.
        content: JSON documents; or the rows of a Parquet file that has the columns of a table; or
            objects, which are iterated over once.
    """

    source: str
    content: Block | ParquetRows | Iterator[Any]


def read_sources(sources: Iterable[Source], limits: Limits | None = None) -> Iterator[Rows]:
    """Read what :func:`~mixpanel_data.ingest.sources.find_sources` has found.

    The rows of one source come before those of the next, in the order in which they stand there.

    Args:
        sources: What to read.
        limits: What the data may have at most.

    Raises:
        ExportFileError: A source cannot be read. The rows before the damage have been handed out.
    """
    limits = limits or Limits()
    for source in sources:
        if isinstance(source, Objects):
            yield Rows(source.name, _with_results(source.objects))
            continue
        with source.open() as stream:
            for plain in decompressed(stream, max_decompressed_bytes=limits.decompressed_bytes):
                yield from _rows_of(plain, limits)


def _rows_of(stream: ByteStream, limits: Limits) -> Iterator[Rows]:
    start = stream.peek(_HEADER)
    if start.startswith(MAGIC):
        rows = open_parquet(stream)
        if rows.is_table:
            yield Rows(stream.name, rows)
            return
        blocks = rows.documents()
    else:
        refuse_binary(stream.name, start)
        refuse_csv(stream.name, start)
        blocks = documents_in(stream, max_document_bytes=limits.document_bytes)
    for block in blocks:
        yield Rows(stream.name, block)


def _with_results(objects: Iterable[Any]) -> Iterator[Any]:
    """Put the results of Engage query pages in the place of the pages."""
    for item in objects:
        results = page_results(item) if isinstance(item, Mapping) and "results" in item else None
        if results is None:
            yield item
        else:
            yield from results
