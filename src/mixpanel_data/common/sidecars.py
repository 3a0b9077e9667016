"""Paths of the files that DuckDB writes beside a database file."""

from __future__ import annotations

from pathlib import Path


def wal_of(path: str | Path) -> Path:
    """Return the path of the write-ahead log of a database file."""
    return Path(f"{path}.wal")


def temporary_folder_of(path: str | Path) -> Path:
    """Return the path of the folder to which DuckDB spills."""
    return Path(f"{path}.tmp")
