"""Binary streams that can look ahead, over files, responses, pipes and iterables of lines."""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest.given_files import unreadable_named
from mixpanel_data.ingest.network_failures import is_of_network, reason_of

#: Bytes that are asked for at a time.
CHUNK = 1024 * 1024


class ByteStream(io.RawIOBase):
    """A stream of bytes that is read once, from its beginning to its end.

    Args:
        name: What messages call it.
        read: Reads up to so many bytes, or characters. Nothing means the end.
        file: The file below, if it can seek: some formats are read from their end.

    Attributes:
        name: As above.
        file: As above.
        taken: Bytes that were read from below so far.
    """

    def __init__(self, name: str, read: Callable[[int], Any], file: Any = None) -> None:
        self.name = name
        self.file = file
        self.taken = 0
        self._read = read
        self._ahead = b""
        self._error: Exception | None = None

    def peek(self, size: int) -> bytes:
        """Return the next bytes without consuming them; fewer only when the stream has no more."""
        parts, wanted = [self._ahead], size - len(self._ahead)
        try:
            while wanted > 0 and (chunk := self._next(wanted)):
                parts.append(chunk)
                wanted -= len(chunk)
        except Exception as error:
            # What came before it is good. The error is raised when that has been read.
            self._error = error
        self._ahead = b"".join(parts)
        if self._error is not None and not self._ahead:
            raise self._error
        return self._ahead[:size]

    def read_full(self, size: int) -> bytes:
        """Return so many bytes; fewer only when the stream has no more."""
        self.peek(size)
        return self.read(size)

    def read(self, size: int = -1) -> bytes:
        """Return up to so many bytes, nothing at the end; without a size, all that is left."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self._ahead:
            found, self._ahead = self._ahead[:size], self._ahead[size:]
            return found
        return self._next(size)

    def readable(self) -> bool:
        """Return True."""
        return True

    def _next(self, size: int) -> bytes:
        if self._error is not None:
            raise self._error
        try:
            chunk = self._read(size)
        except Exception as error:
            if isinstance(error, ExportFileError) or not is_of_network(error):
                raise
            problem = f"the connection broke off: {reason_of(error)}. Try again."
            raise ExportFileError(self.name, problem) from error
        if isinstance(chunk, str):
            chunk = chunk.encode("utf-8", "surrogatepass")  # refused later, with its line
        elif chunk is None:
            raise ExportFileError(self.name, "has no data yet. Open it in blocking mode.")
        elif not isinstance(chunk, bytes):
            chunk = self._bytes_of(chunk)
        self.taken += len(chunk)
        return chunk

    def _bytes_of(self, chunk: Any) -> bytes:
        """Return what has a buffer as bytes."""
        try:
            return bytes(memoryview(chunk))
        except TypeError as error:
            raise TypeError(
                f"{self.name}: read() gives values of type {type(chunk).__name__}. Pass an open "
                "binary file."
            ) from error


def stream_of_file(name: str, file: Any) -> ByteStream:
    """Return the stream of an open file, binary or text, or of a response.

    Args:
        name: What messages call it.
        file: Has ``read(size)``, or is a response of httpx or requests.
    """
    if (chunks := _chunks_of_response(file)) is not None:
        return stream_of_chunks(name, chunks)
    if isinstance(file, http.client.HTTPResponse):
        return ByteStream(name, lambda size: _read_response(name, file, size))

    def read(size: int) -> Any:
        with unreadable_named(name, file):
            return file.read(size)

    return ByteStream(name, read, file if _can_seek(file) else None)


def stream_of_chunks(name: str, chunks: Iterable[bytes]) -> ByteStream:
    """Return the stream of pieces of any size."""
    remaining = iter(chunks)
    rest = b""

    def read(size: int) -> bytes:
        nonlocal rest
        while not rest and (chunk := next(remaining, None)) is not None:
            rest = chunk
        found, rest = rest[:size], rest[size:]
        return found

    return ByteStream(name, read)


def stream_of_lines(name: str, lines: Iterable[bytes | str]) -> ByteStream:
    """Return the stream of lines, with or without line feeds at their ends."""
    return stream_of_chunks(name, _joined(name, lines))


def _joined(name: str, lines: Iterable[bytes | str]) -> Iterator[bytes]:
    """Join lines to pieces of some size."""
    joined: list[bytes] = []
    size = 0
    for number, line in enumerate(lines, 1):
        if isinstance(line, str):
            line = line.encode("utf-8", "surrogatepass")
        elif not isinstance(line, bytes):
            raise TypeError(
                f"{name}: line {number} is {type(line).__name__}; the ones before it were text."
            )
        joined.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line)
        if size >= CHUNK:
            yield b"".join(joined)
            joined.clear()
            size = 0
    yield b"".join(joined)


def is_response(file: object) -> bool:
    """Tell whether an object is a response of httpx or requests: no file, but with chunks."""
    return hasattr(file, "iter_bytes") or hasattr(file, "iter_content")


def _chunks_of_response(file: Any) -> Iterable[bytes] | None:
    if hasattr(file, "iter_bytes"):  # httpx
        return file.iter_bytes()  # type: ignore[no-any-return]
    if hasattr(file, "iter_content"):  # requests
        return file.iter_content(CHUNK)  # type: ignore[no-any-return]
    return None


def _read_response(name: str, response: http.client.HTTPResponse, size: int) -> bytes:
    chunk = response.read(size)
    # `read(size)` takes a connection that broke off for the end of the response.
    if not chunk and size and response.length:
        raise ExportFileError(
            name, f"the connection broke off, {response.length:,} bytes are missing. Try again."
        )
    return chunk


def _can_seek(file: Any) -> bool:
    return not isinstance(file, io.TextIOBase) and hasattr(file, "seekable") and file.seekable()
