"""The protocol between an engine and its worker, over two pipes.

Either side sends frames: one byte for the kind, eight for the length, then the body. The engine
begins with ``OPEN``, and the worker answers ``READY`` once it has opened the database. From then on
the engine sends one ``QUERY`` at a time and reads until the answer ends:

- ``ROWS``: an Arrow IPC stream with some of the rows. The first one always comes, for the columns.
- ``END``: all rows were sent. JSON, with the types of columns that Arrow cannot express.
- ``FAILED``: JSON with the failure. It is an answer to ``OPEN``, too.

The engine sends pickles. A worker never does, because untrusted SQL may have taken it over. The
engine reads no frame that is longer than the limit for the answer.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.worker.places import SentPlace

OPEN, READY, QUERY, ROWS, END, FAILED = b"O", b"y", b"Q", b"R", b"E", b"F"

#: How many rows a frame may have. DuckDB 1.5 reads this many of an Arrow batch at a time, and in a
#: longer batch takes the values of a nested union from wrong rows.
BATCH = 2048

#: How many bytes a frame without rows may have.
SMALL = 1 << 20

#: How many bytes a frame from the engine may have, which is trusted.
UNLIMITED = 1 << 62

_HEADER = struct.Struct("!cQ")

Frame = tuple[bytes, "bytes | memoryview"]

#: Called before every read and write; may raise at a deadline.
Wait = Callable[[], object]


@dataclass(frozen=True)
class Opening:
    """What a worker opens.

    Attributes:
        place: The file or the lake, with its secrets.
        config: DuckDB's settings, including those of the sandbox.
        memory: How many bytes of memory a statement may take.
        sandbox: The other limits.
    """

    place: SentPlace
    config: dict[str, Any]
    memory: int
    sandbox: Sandbox


class Request(NamedTuple):
    """A statement to run.

    Attributes:
        words: Trusted SQL before it, such as ``EXPLAIN``, which is not checked.
        sql: The statement.
        parameters: Values to bind.
        most_rows: How many rows to send, None for all. The rest is not computed.
    """

    words: str
    sql: str
    parameters: Sequence[Any] | dict[str, Any]
    most_rows: int | None = None


class ProtocolError(Exception):
    """The other side violated the protocol."""


def send(pipe: int, kind: bytes, body: bytes | memoryview, wait: Wait | None = None) -> None:
    """Send a frame.

    Args:
        pipe: The descriptor to write to; non-blocking if there is a ``wait``.
        kind: One of the kinds above.
        body: The body.
        wait: Waits until the pipe can be written to.
    """
    for part in (_HEADER.pack(kind, len(body)), body):
        rest = memoryview(part)
        while rest:
            if wait is not None:
                wait()
            rest = rest[os.write(pipe, rest) :]


def receive(pipe: int, limit: int, wait: Wait | None = None) -> tuple[bytes, bytearray]:
    """Return the kind and the body of the next frame.

    Args:
        pipe: The descriptor to read from.
        limit: How many bytes the body may have.
        wait: Waits until the pipe can be read from.

    Raises:
        EOFError: The other side closed the pipe.
        ProtocolError: The body is longer than the limit.
    """
    kind, length = _HEADER.unpack(_read(pipe, _HEADER.size, wait))
    if length > limit:
        raise ProtocolError(f"A frame of {length:,} bytes, where {limit:,} are allowed.")
    return kind, _read(pipe, length, wait)


def _read(pipe: int, length: int, wait: Wait | None) -> bytearray:
    body = bytearray(length)
    rest = memoryview(body)
    while rest:
        if wait is not None:
            wait()
        count = os.readv(pipe, [rest])
        if count == 0:
            raise EOFError
        rest = rest[count:]
    return body
