"""Find damage to export files that DuckDB does not report, in a thread beside it."""

from __future__ import annotations

import gzip
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.ingest.decompression import GZIP_MAGIC

if TYPE_CHECKING:
    from typing_extensions import Self

#: No line of an export has fewer bytes. DuckDB ignores a file of one byte without an error.
_SHORTEST_LINE = 30

_CHUNK = 1024 * 1024

_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


def is_gzip(path: Path) -> bool:
    """Tell from its content whether a file is gzip."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


class IntegrityCheck(threading.Thread):
    """Checks the size and the gzip checksums of files; a context manager that ends with its block.

    Args:
        paths: The files.

    Attributes:
        failed: True when a file is too short or damaged. Final once the thread was joined.
    """

    def __init__(self, paths: list[Path]) -> None:
        super().__init__(name="mixpanel_data-checks", daemon=True)
        self.failed = False
        self._paths = paths
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
        if not is_gzip(path):
            return path.stat().st_size
        size = 0
        with gzip.open(path) as file:
            while not self._cancelled and (chunk := file.read(_CHUNK)):
                size += len(chunk)
        return size
