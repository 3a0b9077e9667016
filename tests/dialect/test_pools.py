"""Threads, connection pools and files: one database for all, never DuckDB's default connection."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import Engine, create_engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import NullPool, StaticPool

from tests.engines import open_engine

MEMORY = "duckdb+mixpanel:///:memory:"
THREADS = 8


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


def count(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Item)) or 0


# Threads


def test_all_threads_work_on_one_database(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    together = threading.Barrier(THREADS)

    def work(thread: int) -> int:
        together.wait(60)
        for number in range(20):
            with Session(engine) as session:
                session.add(Item(id=thread * 100 + number))
                session.commit()
        together.wait(60)
        return count(engine)

    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(work, range(THREADS))) == [THREADS * 20] * THREADS


def test_each_thread_has_a_transaction_of_its_own(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    together = threading.Barrier(THREADS)

    def work(thread: int) -> int:
        with Session(engine) as session:
            session.add(Item(id=thread))
            session.flush()
            together.wait(60)
            seen = session.scalar(select(func.count()).select_from(Item)) or 0
            together.wait(60)
            session.rollback()
        return seen

    with ThreadPoolExecutor(THREADS) as threads:
        assert list(threads.map(work, range(THREADS))) == [1] * THREADS
    assert count(engine) == 0


def test_many_engines_in_many_threads_never_touch_the_default_connection(tmp_path: Path) -> None:
    code = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import duckdb

def refuse(*_):
    raise AssertionError("the default connection was used")

for name in ("execute", "sql", "query", "cursor", "default_connection"):
    setattr(duckdb, name, refuse)

from sqlalchemy import MetaData, create_engine, text

def work(number):
    urls = [":memory:", f"{sys.argv[1]}/{number}.db", f"{sys.argv[1]}/shared.db"]
    for url in urls:
        engine = create_engine(f"duckdb+mixpanel:///{url}")
        with engine.begin() as connection:
            connection.execute(text(f'CREATE TABLE "select {number}" (i INTEGER)'))
        metadata = MetaData()
        metadata.reflect(engine)
        assert f"select {number}" in metadata.tables
        engine.dispose()

with ThreadPoolExecutor(8) as threads:
    list(threads.map(work, range(16)))
print("done")
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert finished.stdout == "done\n", finished.stderr


# Memory


def test_two_in_memory_engines_do_not_share_a_database() -> None:
    with open_engine() as one, open_engine() as other:
        Base.metadata.create_all(one)
        with pytest.raises(DBAPIError):
            count(other)


@pytest.mark.parametrize("pool", [None, NullPool, StaticPool])
def test_a_database_in_memory_lives_until_its_engine_is_disposed_of(pool: Any) -> None:
    with open_engine(poolclass=pool) as engine:
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(Item), [{"id": 1}])
        engine.connect().invalidate()
        with engine.begin() as connection:
            connection.execute(insert(Item), [{"id": 2}])
        assert count(engine) == 2
        engine.dispose()
        with pytest.raises(DBAPIError, match="items"):
            count(engine)


def test_an_in_memory_engine_frees_its_memory_when_garbage_collected() -> None:
    code = """
import gc, weakref
from sqlalchemy import create_engine, text
engine = create_engine("duckdb+mixpanel:///:memory:")
with engine.connect() as connection:
    connection.execute(text("SELECT 1"))
dialect = weakref.ref(engine.dialect)
del engine, connection
gc.collect()
print(dialect() is None)
"""
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout == "True\n", printed.stderr


# Files


def test_an_engine_works_beside_a_connection_of_the_driver(path: Path) -> None:
    with (
        duckdb.connect(str(path)) as raw,
        open_engine(path) as e,
    ):
        Base.metadata.create_all(e)
        raw.execute("INSERT INTO items VALUES (1)")
        assert count(e) == 1
        with e.begin() as connection:
            connection.execute(insert(Item), [{"id": 2}])
        assert raw.execute("SELECT count(*) FROM items").fetchall() == [(2,)]


def test_an_engine_of_a_file_has_no_listeners_that_each_statement_would_look_for(
    path: Path,
) -> None:
    with open_engine(path) as of_a_file, open_engine() as in_memory:
        assert not of_a_file.dispatch.engine_disposed
        assert in_memory.dispatch.engine_disposed


def test_disposing_of_an_engine_releases_its_file(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    Base.metadata.create_all(engine)
    with engine.connect() as one, engine.connect() as other:
        one.execute(text("SELECT 1"))
        other.execute(text("SELECT 1"))
    code = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('FROM items'); print('open')"
    ask = [sys.executable, "-c", code, str(path)]
    locked = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert "Could not set lock" in locked.stderr
    engine.dispose()
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "open\n"
    assert count(engine) == 0  # the engine opens it again
    engine.dispose()


# Lost connections


def test_a_connection_that_was_closed_is_a_disconnect_and_the_pool_recovers(path: Path) -> None:
    with open_engine(path) as engine:
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.close()
            with pytest.raises(OperationalError, match="closed") as raised:
                connection.execute(text("SELECT 1"))
            assert raised.value.connection_invalidated
            assert connection.invalidated
        assert count(engine) == 0


def test_a_session_recovers_from_a_lost_connection(path: Path) -> None:
    with open_engine(path) as engine:
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Item(id=1))
            session.flush()
            driver: Any = session.connection().connection.driver_connection
            driver.close()
            with pytest.raises(OperationalError):
                session.commit()
            session.rollback()
            session.add(Item(id=2))
            session.commit()
            assert session.scalars(select(Item.id)).all() == [2]


def test_a_ping_before_use_finds_a_connection_that_was_closed_meanwhile(path: Path) -> None:
    with open_engine(path, pool_pre_ping=True) as engine:
        Base.metadata.create_all(engine)
        with engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
        driver.close()
        assert count(engine) == 0


def test_an_error_that_is_no_disconnect_keeps_the_connection(engine: Engine) -> None:
    with engine.connect() as connection:
        with pytest.raises(DBAPIError) as raised:
            connection.execute(text("SELECT nope"))
        assert not raised.value.connection_invalidated
        connection.rollback()
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_file_that_cannot_be_opened_is_an_operational_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database " * 1000)
    for name in ("text.db", "no/such/folder.db"):
        with (
            open_engine(tmp_path / name) as engine,
            pytest.raises(OperationalError),
        ):
            engine.connect()
