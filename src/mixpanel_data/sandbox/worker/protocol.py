"""What an engine and its worker say to each other, over two pipes.

Either side sends frames: one byte for the kind, eight for the length, then as many bytes. The
engine begins with ``OPEN``, and the worker answers ``READY`` once it has the file. From then on the
engine sends one ``QUERY`` at a time and reads until the answer ends:

- ``ROWS``: an Arrow IPC stream with some of the rows. The first one always comes, for the columns.
- ``END``: the last row was sent. JSON, with the types of columns that Arrow has no word for.
- ``FAILED``: JSON, what went wrong. It is an answer to ``OPEN``, too.

What the engine sends is pickled. What a worker sends never is: SQL of a stranger may have taken it
over. The engine reads no frame that is longer than the answer may still be.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mixpanel_data.common.open_files import Key
from mixpanel_data.sandbox.limits import Sandbox

OPEN, READY, QUERY, ROWS, END, FAILED = b"O", b"y", b"Q", b"R", b"E", b"F"

#: How many rows a frame may have. DuckDB 1.5 reads so many of an Arrow batch at once, and takes the
#: values of a nested union in a longer one from other rows.
BATCH = 2048

#: How many bytes a frame may have that has no rows.
SMALL = 1 << 20

#: How many bytes a frame of the engine may have, which is trusted.
UNLIMITED = 1 << 62

_HEADER = struct.Struct("!cQ")

Frame = tuple[bytes, "bytes | memoryview"]

#: Called before every read and write; may raise when there is no time left.
Wait = Callable[[], object]


@dataclass(frozen=True)
class Opening:
    """What a worker opens.

    Attributes:
        path: The database file.
        file: What it is known by, as the engine has it open.
        config: DuckDB's settings, those of the sandbox included.
        key: The key of a file that is encrypted.
        memory: How many bytes a statement may take.
        sandbox: The other limits.
    """

    path: Path
    file: Key | None
    config: dict[str, Any]
    key: str | None = field(repr=False)
    memory: int
    sandbox: Sandbox


class Request(NamedTuple):
    """A statement to run.

    Attributes:
        words: What comes before it and is not judged, such as ``EXPLAIN``.
        sql: The statement.
        parameters: Values to bind.
    """

    words: str
    sql: str
    parameters: Sequence[Any] | dict[str, Any]


class ProtocolError(Exception):
    """The other side sent what it must not."""


def send(pipe: int, kind: bytes, body: bytes | memoryview, wait: Wait | None = None) -> None:
    """Send a frame.

    Args:
        pipe: The descriptor to write to. With ``wait``, one that does not block.
        kind: One of the kinds above.
        body: The rest.
        wait: Waits until there is room.
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
        wait: Waits until there is something to read.

    Raises:
        EOFError: The other side has gone.
        ProtocolError: The body is longer.
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
