"""Plain bytes become JSON documents, numbered, a block at a time.

Two layouts, told by how the data begins. *Lines* are newline-delimited JSON: a line that is no JSON
costs nobody but itself. *Values* are arrays, pretty-printed objects, and whatever else stands one
after another without regard to lines: where a quote or bracket is missing, nothing after it can be
told apart. In both, Engage query pages (``{"results": [...]}``) give their results.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from mixpanel_data.common.json_depth import exceeds_depth
from mixpanel_data.common.json_documents import parse_json
from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest.byte_stream import CHUNK, ByteStream
from mixpanel_data.ingest.json_problems import is_unfinished
from mixpanel_data.ingest.json_splitter import Splitter, first_end, is_page

#: The longest document, where the caller does not say. Mixpanel's events have less than 1 MB, its
#: pages of a thousand profiles some.
MAX_DOCUMENT_BYTES = 64 * 1024 * 1024

#: How much of the data is looked at to tell the layout. Longer than any event.
_LOOKED_AT = 1024 * 1024

BREAKS_OFF = "breaks off: the file ends within it"
_NOT_SPLIT = "is damaged, and what follows cannot be told apart: nothing after it was read"
_SURPLUS = "has a closing bracket too many: nothing after it was read"
_TOO_LONG = "is longer than {:,} bytes. If that is right, raise max_document_bytes"

#: Bytes of a document that are too many for it, to show what it is.
_BEGINNING = 1000

_RECORD = re.compile(rb'\s*\{\s*"(?:event|event_name|\$?distinct_id)"\s*:')
_RECORD_INSIDE = re.compile(rb'[\n,]\s*\{\s*"(?:event|event_name|\$distinct_id)"\s*:')
_BRACKET = (b"{", b"[")


@dataclass(frozen=True)
class Block:
    """Documents that follow each other.

    Attributes:
        documents: Each one's bytes. They may be no JSON.
        numbers: The number of each, from 1: of its line, or of itself among all of its file.
        unit: What is numbered.
        problem: What is wrong with the last document, where the reader knows; None otherwise.
    """

    documents: list[bytes]
    numbers: Sequence[int]
    unit: Literal["line", "document", "row"]
    problem: str | None = None


def documents_in(
    stream: ByteStream, *, max_document_bytes: int = MAX_DOCUMENT_BYTES
) -> Iterator[Block]:
    """Yield the documents of a plain stream, in flat memory.

    Args:
        stream: What to read.
        max_document_bytes: The most bytes of a document.

    Raises:
        ExportFileError: The data is UTF-16 or UTF-32. Whatever the stream raises passes through,
            after the documents before it.
    """
    start = stream.peek(_LOOKED_AT)
    _refuse_wide_characters(stream.name, start)
    if start.startswith(codecs.BOM_UTF8):
        stream.read(len(codecs.BOM_UTF8))
        start = start[len(codecs.BOM_UTF8) :]
    read = _lines if has_lines(start) else _values
    return read(stream, max_document_bytes)


def _refuse_wide_characters(name: str, start: bytes) -> None:
    marked = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if marked or b"\0" in start[:4]:
        raise ExportFileError(
            name,
            "this is no UTF-8, but UTF-16 or binary data. If it is text, convert it with "
            "'iconv -f UTF-16 -t UTF-8'.",
        )


def has_lines(start: bytes) -> bool:
    r"""Tell whether data is newline-delimited, by its first megabyte.

    Example:
        >>> has_lines(b'{"a": 1}\n{"a": 2}\n'), has_lines(b'{\n  "a": 1\n}\n')
        (True, False)
    """
    first, newline, others = start.lstrip().partition(b"\n")
    if not first.startswith(_BRACKET):
        return True
    if first.startswith(b"[") or is_page(first):
        return False
    if (end := first_end(first)) is not None:
        # More values, or a comma, on the same line?
        return not first[end:].lstrip().startswith((b",", *_BRACKET))
    if not newline:
        return len(start) < _LOOKED_AT  # a single line, cut off; or one too long to tell
    return not _goes_on(first.rstrip(), others.lstrip())


def _goes_on(first: bytes, others: bytes) -> bool:
    """Tell whether a line that is no whole value is a part of one, or was cut off."""
    if _RECORD.match(others):
        return first.endswith((b"[", b":"))
    return first.endswith((b"{", b"[", b",", b":")) or others.startswith((b",", b":", b"}", b"]"))


def _lines(stream: ByteStream, most: int) -> Iterator[Block]:
    splitter, number = Splitter(), 1
    parts: list[bytes] = []
    while chunk := stream.read_full(CHUNK):
        text, newline, rest = chunk.rpartition(b"\n")
        if newline:
            text = b"".join([*parts, text])
            yield from _block_of_lines(splitter, text, number)
            number += text.count(b"\n") + 1
            parts = [rest]
            continue
        parts.append(chunk)
        if sum(map(len, parts)) > most:
            problem = _TOO_LONG.format(most)
            yield Block([b"".join(parts)[:_BEGINNING]], [number], "line", problem)
            parts = [_after_newline(stream)]
            number += 1
    last = b"".join(parts)
    for block in _block_of_lines(splitter, last, number):
        broken = not last.endswith(b"\n") and is_unfinished(block.documents[-1])
        yield Block(block.documents, block.numbers, "line", BREAKS_OFF if broken else None)


def _block_of_lines(splitter: Splitter, text: bytes, number: int) -> Iterator[Block]:
    """Yield the documents of lines, if there are any."""
    documents = list(map(bytes.strip, text.split(b"\n")))
    numbers: Sequence[int] = range(number, number + len(documents))
    if not all(documents):
        numbers = [at for at, document in zip(numbers, documents, strict=True) if document]
        documents = list(filter(None, documents))
    if b'"results"' in text or {*map(itemgetter(0), documents)} - {ord("{")}:
        # Whole arrays or pages on a line, or a byte order mark where two files were joined.
        inner = [splitter.elements(line.removeprefix(codecs.BOM_UTF8)) for line in documents]
        numbers = [at for at, found in zip(numbers, inner, strict=True) for _ in range(len(found))]
        documents = [document for found in inner for document in found]
    if documents:
        yield Block(documents, numbers, "line")


def _after_newline(stream: ByteStream) -> bytes:
    """Read on to the next line and return what was read of it."""
    while chunk := stream.read(CHUNK):
        _, newline, rest = chunk.partition(b"\n")
        if newline:
            return rest
    return b""


def _is_json(document: bytes) -> bool:
    if exceeds_depth(document):  # which is what its error is to say
        return True
    try:
        parse_json(document)
    except ValueError:
        return False
    return True


def _values(stream: ByteStream, most: int) -> Iterator[Block]:
    splitter, number = Splitter(), 1
    text, in_array = b"", False
    while chunk := stream.read_full(max(CHUNK, len(text))):
        text += chunk
        split = splitter.split(text, in_array=in_array)
        documents = _with_results(splitter, text, split.values)
        text, in_array = split.rest, split.in_array
        if documents:
            yield Block(documents, range(number, number + len(documents)), "document")
            number += len(documents)
        if split.surplus or len(text) > most:
            problem = _SURPLUS if split.surplus else _TOO_LONG.format(most)
            yield Block([text[:_BEGINNING]], [number], "document", problem)
            return
    # What is left is the end of an array, or no value at all, or the beginning of one.
    split = splitter.split(text, in_array=in_array)
    documents = _with_results(splitter, text, splitter.remainder(split))
    if documents:
        is_whole = split.complete or _is_json(documents[-1])
        ending = None if is_whole else _problem_of(documents[-1])
        yield Block(documents, range(number, number + len(documents)), "document", ending)


def _problem_of(value: bytes) -> str | None:
    if _RECORD_INSIDE.search(value, 1):
        return _NOT_SPLIT
    # A comma before it belongs to the array that it is in.
    return BREAKS_OFF if is_unfinished(value.strip(b" \t\r\n,")) else None


def _with_results(splitter: Splitter, text: bytes, values: list[bytes]) -> list[bytes]:
    """Put the results of pages in the place of the pages."""
    if b'"results"' not in text:
        return values
    return [
        document
        for value in values
        for document in (splitter.elements(value) if value.startswith(b"{") else [value])
    ]
