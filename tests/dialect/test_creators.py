"""``create_engine(creator=…)`` takes connections of DuckDB's own."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from mixpanel_data.dialect.driver import module


@pytest.mark.parametrize("pool", [QueuePool, NullPool, StaticPool])
def test_connections_of_duckdb_are_used(path: Path, pool: type[Any]) -> None:
    engine = create_engine(
        "duckdb+mixpanel://", creator=lambda: duckdb.connect(str(path)), poolclass=pool
    )
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t AS SELECT 1 AS n"))
    engine.dispose()  # makes a new pool, with the same creator
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT n FROM t")) == 1
        assert inspect(connection).get_table_names() == ["t"]
    engine.dispose()


def test_a_creator_may_take_the_record_of_the_pool() -> None:
    records = []

    def create(record: Any) -> duckdb.DuckDBPyConnection:
        records.append(record)
        return duckdb.connect(":memory:")

    engine = create_engine("duckdb+mixpanel://", creator=create)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 42")) == 42
    assert len(records) == 1
    engine.dispose()


def test_a_transaction_of_such_a_connection_is_rolled_back() -> None:
    with duckdb.connect(":memory:") as shared:
        engine = create_engine("duckdb+mixpanel://", creator=shared.cursor)
        with engine.connect() as connection:
            connection.execute(text("CREATE TABLE t (n INTEGER)"))
        assert shared.execute("SHOW TABLES").fetchall() == []
        engine.dispose()


def test_other_connections_are_refused() -> None:
    made = sqlite3.connect(":memory:")
    engine = create_engine("duckdb+mixpanel://", creator=lambda: made)
    with pytest.raises(ArgumentError, match=r"returned Connection.*connect_args"):
        engine.connect()
    made.close()


def test_the_creator_of_a_pool_may_be_called_without_a_record(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    connection: Any = engine.pool._creator()  # type: ignore[call-arg]
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    connection.close()
    engine.dispose()


def test_a_module_may_pass_everything_on_to_the_module_of_the_dialect(path: Path) -> None:
    class Recording:
        def __init__(self) -> None:
            self.opened: list[Any] = []

        def __getattr__(self, name: str) -> Any:
            return getattr(module, name)

        def connect(self, *args: Any, **options: Any) -> Any:
            self.opened.append(module.connect(*args, **options))
            return self.opened[-1]

    recording = Recording()
    engine = create_engine(f"duckdb+mixpanel:///{path}", module=recording)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
        assert connection.connection.dbapi_connection in recording.opened
    engine.dispose()
    path.rename(path.with_suffix(".moved"))
    duckdb.connect(path.with_suffix(".moved")).close()
