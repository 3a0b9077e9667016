"""Paths of the files that DuckDB writes beside a database file."""

from __future__ import annotations

from pathlib import Path


def beside(path: str | Path, ending: str) -> Path:
    """Return the path of what DuckDB writes beside a database file.

    DuckDB puts the ending before the first ``?`` of the path.

    Example:
        >>> beside("events.db", ".wal").name, beside("u?.db", ".wal").name
        ('events.db.wal', 'u.wal?.db')
    """
    name, mark, rest = str(path).partition("?")
    return Path(f"{name}{ending}{mark}{rest}")


def wal_of(path: str | Path) -> Path:
    """Return the path of the write-ahead log of a database file."""
    return beside(path, ".wal")


def file_of_wal(path: Path) -> Path | None:
    """Return the path of the database file that a write-ahead log belongs to by its name."""
    name, mark, rest = str(path).partition("?")
    return Path(f"{name.removesuffix('.wal')}{mark}{rest}") if name.endswith(".wal") else None


def temporary_folder_of(path: str | Path) -> Path:
    """Return the path of the folder to which DuckDB spills."""
    return beside(path, ".tmp")
