"""Observes files, locks and network connections from outside of the attacking process."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_EVENT = struct.Struct("iIII")
_LOCK = "hhqqi4x"  # struct flock of 64-bit Linux
_ANYTHING = 0xFFF
#: What the kernel says of a file, by the bits of inotify.
_DEEDS = {
    0x1: "read",
    0x2: "written",
    0x4: "attributes changed",
    0x20: "opened",
    0x40: "moved away",
    0x80: "moved here",
    0x100: "created",
    0x200: "deleted",
}


class Watch:
    """Tells what was done to the files of some folders, by whomever.

    Args:
        folders: The folders; those within are not watched.
        may_read: A file that this process has open and may read on.
    """

    def __init__(self, folders: Iterable[Path], may_read: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        self._may_read = may_read
        self._folders = {self._add(folder): folder for folder in folders}

    def _add(self, folder: Path) -> int:
        found = self._libc.inotify_add_watch(self._descriptor, bytes(folder), _ANYTHING)
        if found < 0:
            raise OSError(ctypes.get_errno(), "inotify", str(folder))
        return int(found)

    def seen(self) -> list[str]:
        """Return what has been done since last asked."""
        try:
            events = os.read(self._descriptor, 1 << 16)
        except BlockingIOError:
            return []
        return list(dict.fromkeys(self._deeds(events)))

    def _deeds(self, events: bytes) -> Iterator[str]:
        position = 0
        while position < len(events):
            watched, mask, _, length = _EVENT.unpack_from(events, position)
            position += _EVENT.size + length
            name = events[position - length : position].rstrip(b"\0").decode(errors="replace")
            path = self._folders[watched] / name if name else self._folders[watched]
            for bit, deed in _DEEDS.items():
                if mask & bit and not (deed == "read" and path == self._may_read):
                    yield f"{deed}: {path.name}"

    def close(self) -> None:
        """Stop watching."""
        os.close(self._descriptor)


#: Opens the file it is told once, and says who keeps it from being locked.
_WITNESS = f"""
import fcntl, os, struct, sys
file = None
for line in sys.stdin:
    if line != "\\n":
        if file is not None:
            os.close(file)
        file = os.open(line[:-1], os.O_RDWR)
    lock = struct.pack("{_LOCK}", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack("{_LOCK}", fcntl.fcntl(file, fcntl.F_GETLK, lock))
    print(0 if kind == fcntl.F_UNLCK else pid, flush=True)
"""


class Witness:
    """Another process, which tries whether the lock of a file still keeps others out."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _WITNESS],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def look_at(self, path: Path) -> int:
        """Ask from now on about a file, and return who locks it."""
        return self._ask(f"{path}\n")

    def holder(self) -> int:
        """Return the process that locks the file, 0 for nobody."""
        return self._ask("\n")

    def _ask(self, line: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line)
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


class Listener:
    """A server on this machine that nobody may call. Who does is hung up on."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._count = self._told = 0
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        with suppress(OSError):  # closed
            while True:
                caller, _ = self._socket.accept()
                self._count += 1
                caller.close()

    def calls(self) -> int:
        """Return how many have called since last asked."""
        new, self._told = self._count - self._told, self._count
        return new

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Output:
    """What has been written to a descriptor that leads into a file.

    In a block, standard output leads into the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._size = 0

    def written(self) -> int:
        """Return how many bytes came since last asked."""
        size = os.fstat(self._file).st_size
        grown, self._size = size - self._size, size
        return grown

    def __enter__(self) -> Self:
        sys.stdout.flush()
        self._stdout = os.dup(1)
        os.dup2(self._file, 1)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._stdout, 1)
        os.close(self._stdout)
        os.close(self._file)
