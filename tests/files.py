"""Contents and permissions of files and folders."""

from __future__ import annotations

import stat
from pathlib import Path


def permissions_of(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def snapshot_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of change of every file under a folder.

    Only for databases that are closed: a process that closes a file gives up its locks on it.
    """
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
