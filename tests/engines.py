"""Engines of the dialect that are disposed of when a block ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine


@contextmanager
def open_engine(path: Path | None = None, **options: Any) -> Iterator[Engine]:
    """Open a database file, or a new database in memory."""
    engine = create_engine(f"duckdb+mixpanel:///{path or ':memory:'}", **options)
    yield engine
    engine.dispose()
