"""Find damage to export files that DuckDB does not report, in a thread beside it."""

from __future__ import annotations

import gzip
import threading
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import pyarrow as pa

from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.ingest.decompression import GZIP_MAGIC, ZSTD_MAGIC, most_unpacked

if TYPE_CHECKING:
    from typing_extensions import Self

#: No line of an export has fewer bytes. DuckDB ignores a file of one byte without an error.
_SHORTEST_LINE = 30

_CHUNK = 1024 * 1024

_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException)

#: How compressed files begin, by what DuckDB calls the compression.
_MAGIC = {"gzip": GZIP_MAGIC, "zstd": ZSTD_MAGIC}


def compression_of(start: bytes) -> str | None:
    """Return the compression of a file from its beginning, None where DuckDB does not read it."""
    return next((name for name, magic in _MAGIC.items() if start.startswith(magic)), None)


def beginning_of(path: Path, compression: str, size: int) -> bytes:
    """Return the beginning of what a compressed file holds, nothing where it is damaged there."""
    try:
        with _unpacking(path, compression) as file:
            return file.read(size)
    except (*_DAMAGED, OSError):
        return b""


def _unpacking(path: Path, compression: str) -> IO[bytes]:
    if compression == "gzip":
        return cast("IO[bytes]", gzip.open(path))
    return cast("IO[bytes]", pa.input_stream(path, compression=compression))


class IntegrityCheck(threading.Thread):
    """Checks the size and the checksums of files; a context manager that ends with its block.

    Args:
        paths: The files.
        max_decompressed_bytes: Bytes that each may unpack to; None for a thousand times its size.

    Attributes:
        failed: True when a file is too short, damaged, or unpacks to more than it may. Final once
            the thread was joined.
    """

    def __init__(self, paths: list[Path], max_decompressed_bytes: int | None = None) -> None:
        super().__init__(name="mixpanel_data-checks", daemon=True)
        self.failed = False
        self._paths = paths
        self._most = max_decompressed_bytes
        self._cancelled = False

    def __enter__(self) -> Self:
        """Start the thread."""
        with defer_keyboard_interrupt():
            self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Cancel what is left to check, and wait for the thread."""
        self._cancelled = True
        self.join()

    def run(self) -> None:
        """Check the files."""
        try:
            self.failed = any(self._size_of(path) < _SHORTEST_LINE for path in self._paths)
        except (*_DAMAGED, OSError):
            self.failed = True

    def _size_of(self, path: Path) -> int:
        packed, size = path.stat().st_size, 0
        with path.open("rb") as file:
            compression = compression_of(file.read(len(ZSTD_MAGIC)))
        if compression is None:
            return packed
        with _unpacking(path, compression) as unpacked:
            while not self._cancelled and (chunk := unpacked.read(_CHUNK)):
                size += len(chunk)
                if size > most_unpacked(packed, self._most):
                    raise EOFError("It swells without end.")
        return size
