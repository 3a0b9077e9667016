"""Engines of the dialect and of the library, for the length of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine

from mixpanel_data import StorageEngine
from mixpanel_data.dialect.alembic import register_duckdb


@contextmanager
def open_engine(path: Path | None = None, **options: Any) -> Iterator[Engine]:
    """Open a database file, or a new database in memory."""
    engine = create_engine(f"duckdb+mixpanel:///{path or ':memory:'}", **options)
    yield engine
    engine.dispose()


@contextmanager
def alembic_connection(*statements: str) -> Iterator[Connection]:
    """Connect to a new database in memory that Alembic can alter, after some statements."""
    register_duckdb()
    with open_engine() as engine, engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()
        yield connection


_in_memory: list[StorageEngine] = []


@contextmanager
def empty_storage() -> Iterator[StorageEngine]:
    """Lend a storage engine in memory without tables, the same one within a module.

    A property test runs hundreds of examples, and opening a database takes most of the time of one.
    """
    if not _in_memory:
        _in_memory.append(StorageEngine.memory())
    (storage,) = _in_memory
    try:
        yield storage
    finally:
        storage.drop_all()


def close_empty_storage() -> None:
    """Close the engine that was lent, if there is one."""
    while _in_memory:
        _in_memory.pop().close()
