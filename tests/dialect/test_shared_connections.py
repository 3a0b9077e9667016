"""Threads share one connection of the driver, each with a cursor of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from threading import Barrier
from typing import Any

import pytest

from mixpanel_data.dialect.driver import module

THREADS = 4
STATEMENTS = 25
#: Fewer rows than DuckDB gives at a time, one more, and several times as many.
SIZES = (1, 7, 2_049, 5_000)


def one_by_one(cursor: Any) -> list[Any]:
    return list(iter(cursor.fetchone, None))


def some_at_a_time(cursor: Any) -> list[Any]:
    return list(chain.from_iterable(iter(lambda: cursor.fetchmany(700), [])))


def of_table(table: Any) -> list[Any]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def batch_by_batch(cursor: Any) -> list[Any]:
    batches = cursor.fetch_record_batch(1_000)
    return list(chain.from_iterable(of_table(batch) for batch in batches))


def of_frame(frame: Any) -> list[Any]:
    return list(frame.itertuples(index=False, name=None))


READERS: dict[str, Callable[[Any], list[Any]]] = {
    "fetchone": one_by_one,
    "fetchmany": some_at_a_time,
    "fetchall": lambda cursor: cursor.fetchall(),
    "iteration": list,
    "df": lambda cursor: of_frame(cursor.df()),
    "numpy": lambda cursor: list(zip(*cursor.fetchnumpy().values(), strict=True)),
    "arrow": lambda cursor: of_table(cursor.to_arrow_table()),
    "batches": batch_by_batch,
    "a frame of the rest": lambda cursor: [cursor.fetchone(), *of_frame(cursor.df())],
}


@pytest.fixture
def connection() -> Iterator[Any]:
    """A connection of the driver, with threads that take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    connection = module.connect()
    yield connection
    connection.close()
    sys.setswitchinterval(interval)


def read_own_rows(
    connection: Any, thread: int, read: Callable[[Any], list[Any]], together: Barrier
) -> list[str]:
    """Select a thread's own constant again and again, and return what came wrongly."""
    together.wait()
    wrong = []
    for turn in range(STATEMENTS):
        size = SIZES[(thread + turn) % len(SIZES)]
        cursor = connection.cursor()
        cursor.execute("SELECT $1::INTEGER, range FROM range($2)", (thread, size))
        rows = read(cursor)
        if rows != list(zip(repeat(thread, size), range(size), strict=True)):
            wrong.append(f"thread {thread}: {len(rows)} rows of {size}, {rows[:1]}")
        cursor.close()
    return wrong


def in_threads(connection: Any, readers: list[Callable[[Any], list[Any]]]) -> list[str]:
    together = Barrier(len(readers))
    with ThreadPoolExecutor(len(readers)) as threads:
        tasks = [
            threads.submit(read_own_rows, connection, thread, read, together)
            for thread, read in enumerate(readers)
        ]
        return list(chain.from_iterable(task.result() for task in tasks))


@pytest.mark.parametrize("name", READERS)
def test_every_thread_reads_its_own_rows_and_all_of_them(connection: Any, name: str) -> None:
    assert in_threads(connection, [READERS[name]] * THREADS) == []


def test_threads_that_read_in_different_ways_do_not_disturb_each_other(connection: Any) -> None:
    assert in_threads(connection, list(READERS.values())) == []
