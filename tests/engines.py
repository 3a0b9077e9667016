"""Engines of the dialect and of the library, for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from mixpanel_data import StorageEngine


@contextmanager
def open_engine(path: Path | None = None, **options: Any) -> Iterator[Engine]:
    """Open a database file, or a new database in memory."""
    engine = create_engine(f"duckdb+mixpanel:///{path or ':memory:'}", **options)
    yield engine
    engine.dispose()


@contextmanager
def empty_storage() -> Iterator[StorageEngine]:
    """Lend a storage engine in memory without tables, the same one each time.

    A property test runs hundreds of examples, and opening a database takes most of the time of one.
    """
    storage = _in_memory()
    try:
        yield storage
    finally:
        storage.drop_all()


@cache
def _in_memory() -> StorageEngine:
    return StorageEngine.memory()
