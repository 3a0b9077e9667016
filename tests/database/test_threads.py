"""One engine and many threads: queries, concurrent loads, and isolation."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import duckdb
import pandas as pd
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from mixpanel_data import (
    RecordError,
    StorageClosedError,
    StorageEngine,
    TableExistsError,
    TableNotFoundError,
    WriteConflictError,
)
from mixpanel_data.schema.tables import managed_table
from tests.records import (
    EVENTS,
    PROFILES,
    Record,
    make_event,
    make_events,
    make_profile,
    make_profiles,
)

THREADS = 8

#: Seconds until a test gives up on a thread that does not come. None waits that long.
TIMEOUT = 60

T = TypeVar("T")


def in_threads(work: Callable[[int], T], count: int = THREADS) -> list[T | Exception]:
    """Call a function in many threads at the same moment, with the numbers from 0.

    Returns:
        What each call returned, or the exception that it raised.
    """
    start = threading.Barrier(count)
    outcomes: dict[int, T | Exception] = {}

    def run(number: int) -> None:
        start.wait(TIMEOUT)
        try:
            outcomes[number] = work(number)
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(outcomes) == count, "Some threads hang."
    return [outcomes[number] for number in range(count)]


def row_counts(storage: StorageEngine) -> dict[str, int]:
    return {table.name: table.row_count for table in storage.list_tables()}


def numbers(storage: StorageEngine, table: str) -> list[int]:
    """Return the numbers of the stored events, in order, each as often as it is there."""
    rows = storage.execute_rows(f"SELECT (properties->>'number')::INT FROM {table} ORDER BY 1")
    return [number for (number,) in rows]


class PausedLoad:
    """A load in a thread of its own that stops in the middle, having stored something.

    Args:
        load: Takes the records and loads them.
        count: How many records there are before and after the pause.
    """

    def __init__(self, load: Callable[[Iterator[Record]], int], count: int = 5000) -> None:
        self._count = count
        self._middle, self._go_on = threading.Event(), threading.Event()
        self._executor = ThreadPoolExecutor(1)
        self._result = self._executor.submit(load, self._records())
        self._result.add_done_callback(lambda _: self._middle.set())
        assert self._middle.wait(TIMEOUT)
        if self._result.done():
            self._result.result()

    def _records(self) -> Iterator[Record]:
        yield from make_events(self._count)
        self._middle.set()
        assert self._go_on.wait(TIMEOUT)
        yield from make_events(self._count, self._count)

    def finish(self) -> int:
        """Let the load go on, and return what it returns."""
        self._go_on.set()
        self._executor.shutdown()
        return self._result.result()


# Queries


def test_eight_threads_query_one_engine_and_all_get_right_answers(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5000), EVENTS)

    def ask(number: int) -> None:
        for limit in range(number, 200, THREADS):
            query = "SELECT (properties->>'number')::INT AS n FROM jan WHERE n < ? ORDER BY n"
            expected = [(n,) for n in range(limit)]
            assert storage.execute_rows(query, [limit]) == expected
            assert storage.execute_df(query, [limit])["n"].tolist() == list(range(limit))
            assert storage.execute_scalar("SELECT count(*) FROM jan") == 5000
            relation = storage.execute(f"SELECT n FROM range({limit}) AS t(n)")
            assert relation.order("n").fetchall() == expected
            with storage.session() as session:
                assert session.scalars(text(f"SELECT * FROM range({limit})")).all() == [
                    *range(limit)
                ]
            assert row_counts(storage) == {"jan": 5000}

    assert in_threads(ask) == [None] * THREADS


def test_eight_threads_on_eight_engines_do_not_mix_up_their_answers(tmp_path: Path) -> None:
    def work(number: int) -> list[tuple[int, int]]:
        answers = []
        for _ in range(3):
            with StorageEngine.memory(config={"threads": 1}) as storage:
                storage.create_events_table("t", make_events(100 + number), EVENTS)
                answers += storage.execute_rows("SELECT count(*), count(insert_id) FROM t")
        return answers

    assert in_threads(work) == [[(100 + number,) * 2] * 3 for number in range(THREADS)]


def test_two_relations_open_at_once_do_not_disturb_each_other(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(10_000), EVENTS)
    up = storage.execute("SELECT (properties->>'number')::INT AS n FROM jan ORDER BY n")
    down = storage.execute("SELECT (properties->>'number')::INT AS n FROM jan ORDER BY n DESC")
    storage.append_events_table("jan", make_events(10_001), EVENTS)
    assert down.limit(3).fetchall() == [(10_000,), (9999,), (9998,)]
    assert up.limit(3).fetchall() == [(0,), (1,), (2,)]
    assert up.df()["n"].tolist() == list(range(10_001))
    assert down.df()["n"].tolist() == list(range(10_000, -1, -1))


def test_two_results_read_in_turns_do_not_disturb_each_other(storage: StorageEngine) -> None:
    with storage.session() as one, storage.session() as other:
        up = one.execute(text("SELECT n FROM range(10000) AS t(n)"))
        down = other.execute(text("SELECT 9999 - n FROM range(10000) AS t(n)"))
        again = one.execute(text("SELECT n + 1 FROM range(10000) AS t(n)"))
        rows = [(*a, *b, *c) for a, b, c in zip(up, down, again, strict=True)]
    assert rows == [(n, 9999 - n, n + 1) for n in range(10_000)]


def test_a_relation_made_in_one_thread_is_read_in_another(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(1000), EVENTS)
    with ThreadPoolExecutor(1) as executor:
        relation = executor.submit(storage.execute, "SELECT insert_id FROM jan").result()
    assert len(relation.fetchall()) == 1000


# Creating and dropping


@pytest.mark.parametrize("primary_key", [True, False])
def test_eight_threads_create_different_tables_at_once(
    storage: StorageEngine, primary_key: bool
) -> None:
    def create(number: int) -> int:
        if number % 2:
            return storage.create_profiles_table(
                f"t{number}", make_profiles(100 + number), PROFILES, primary_key=primary_key
            )
        return storage.create_events_table(
            f"t{number}", make_events(3000 + number), EVENTS, primary_key=primary_key
        )

    expected = [100 + number if number % 2 else 3000 + number for number in range(THREADS)]
    assert in_threads(create) == expected
    assert row_counts(storage) == {f"t{number}": rows for number, rows in enumerate(expected)}


def test_eight_threads_create_the_first_tables_in_the_file_of_an_application(path: Path) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    with StorageEngine(path) as storage:
        created = in_threads(
            lambda number: storage.create_events_table(f"t{number}", make_events(100), EVENTS)
        )
        assert created == [100] * THREADS
        assert len(storage.list_tables()) == THREADS


def test_of_threads_that_create_the_same_table_one_wins(storage: StorageEngine) -> None:
    for name in ("a", "b", "c"):

        def create(number: int, name: str = name) -> int:
            spelled = name.upper() if number % 2 else name
            return storage.create_events_table(spelled, make_events(100 + number), EVENTS)

        outcomes = in_threads(create)
        (rows,) = [outcome for outcome in outcomes if isinstance(outcome, int)]
        losers = [outcome for outcome in outcomes if not isinstance(outcome, int)]
        assert [type(loser) for loser in losers] == [TableExistsError] * (THREADS - 1)
        assert storage.execute_scalar(f"SELECT count(*) FROM {name}") == rows
    assert len(storage.list_tables()) == 3


def test_of_threads_that_drop_the_same_table_one_wins(storage: StorageEngine) -> None:
    for _ in range(3):
        storage.create_events_table("t", make_events(10), EVENTS)
        outcomes = in_threads(lambda number: storage.drop_table("T" if number % 2 else "t"))
        assert outcomes.count(None) == 1
        assert {type(outcome) for outcome in outcomes if outcome} == {TableNotFoundError}
        assert storage.list_tables() == []


def test_threads_that_create_and_drop_the_same_table_leave_it_whole(
    storage: StorageEngine,
) -> None:
    def work(number: int) -> int:
        done = 0
        for _ in range(10):
            try:
                if number % 2:
                    storage.create_events_table("t", make_events(50), EVENTS)
                else:
                    storage.drop_table("t")
                done += 1
            except (TableExistsError, TableNotFoundError):
                pass
        return done

    outcomes = in_threads(work)
    done = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(done) == THREADS, outcomes
    created, dropped = sum(done[1::2]), sum(done[::2])
    assert created - dropped in (0, 1)
    assert row_counts(storage) == ({"t": 50} if created > dropped else {})


# Appending


@pytest.mark.parametrize("primary_key", [True, False])
@pytest.mark.parametrize("on_conflict", ["ignore", "replace"])
def test_eight_threads_append_to_one_table_and_each_row_is_there_once(
    storage: StorageEngine, primary_key: bool, on_conflict: str
) -> None:
    storage.create_events_table("jan", make_events(50), EVENTS, primary_key=primary_key)

    def append(number: int) -> int:
        return storage.append_events_table(
            "jan",
            make_events(600, number * 100),
            EVENTS,
            batch_size=250,
            on_conflict="replace" if on_conflict == "replace" else "ignore",
        )

    outcomes = in_threads(append)
    added = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(added) == THREADS, outcomes
    assert sum(added) == 1250
    assert numbers(storage, "jan") == list(range(1300))
    assert row_counts(storage) == {"jan": 1300}
    recorded = storage.execute_scalar("SELECT row_count FROM _metadata")
    assert recorded == 1300


@pytest.mark.parametrize("primary_key", [True, False])
def test_two_engines_on_one_file_never_append_the_same_record_twice(
    path: Path, primary_key: bool
) -> None:
    with StorageEngine(path) as one, StorageEngine(path) as other:
        one.create_events_table("jan", [], EVENTS, primary_key=primary_key)

        def append(number: int) -> int:
            storage, added = (one, other)[number % 2], 0
            for start in range(0, 1000, 200):
                while True:
                    with suppress(WriteConflictError):
                        added += storage.append_events_table("jan", make_events(400, start), EVENTS)
                        break
            return added

        outcomes = in_threads(append, 4)
        added = [outcome for outcome in outcomes if isinstance(outcome, int)]
        assert len(added) == 4, outcomes
        assert sum(added) == 1200
        assert numbers(one, "jan") == numbers(other, "jan") == list(range(1200))


def test_of_two_engines_that_write_to_one_table_at_once_the_second_is_refused(
    path: Path,
) -> None:
    with StorageEngine(path) as one, StorageEngine(path) as other:
        one.create_events_table("jan", make_events(100), EVENTS)
        load = PausedLoad(lambda data: one.append_events_table("jan", data, EVENTS))
        untouched = make_events(10)
        with pytest.raises(WriteConflictError, match="try again") as caught:
            other.append_events_table("jan", untouched, EVENTS)
        assert caught.value.table_name == "jan"
        assert len(list(untouched)) == 10
        with pytest.raises(WriteConflictError):
            other.drop_table("jan")
        assert other.create_events_table("feb", make_events(10), EVENTS) == 10
        assert load.finish() == 9900
        assert other.append_events_table("jan", make_events(10_001), EVENTS) == 1
        assert row_counts(other) == {"feb": 10, "jan": 10_001}


def test_of_two_engines_that_create_the_same_table_the_first_wins(path: Path) -> None:
    with StorageEngine(path) as one, StorageEngine(path) as other:
        load = PausedLoad(lambda data: one.create_events_table("jan", data, EVENTS))
        untouched = make_events(10)
        with pytest.raises((WriteConflictError, TableExistsError)):
            other.create_events_table("jan", untouched, EVENTS)
        assert len(list(untouched)) == 10
        assert load.finish() == 10_000
        assert row_counts(other) == {"jan": 10_000}


# Who sees what


def test_others_see_all_of_a_load_or_nothing(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(100), EVENTS)
    create = PausedLoad(lambda data: storage.create_events_table("feb", data, EVENTS))
    append = PausedLoad(lambda data: storage.append_events_table("jan", data, EVENTS))
    with storage.session() as session:
        assert session.scalar(text("SELECT count(*) FROM jan")) == 100
    assert storage.execute_scalar("SELECT count(*) FROM jan") == 100
    assert storage.get_metadata("jan") == EVENTS
    assert row_counts(storage) == {"jan": 100}
    assert not storage.table_exists("feb")
    with pytest.raises(TableNotFoundError):
        storage.get_metadata("feb")
    assert (create.finish(), append.finish()) == (10_000, 9900)
    assert row_counts(storage) == {"feb": 10_000, "jan": 10_000}


def test_a_query_during_loads_never_sees_half_of_one(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [], EVENTS)
    done = threading.Event()

    def load() -> int:
        try:
            return sum(
                storage.append_events_table("jan", make_events(1000, start), EVENTS, batch_size=100)
                for start in range(0, 10_000, 1000)
            )
        finally:
            done.set()

    seen = {0}
    with ThreadPoolExecutor(1) as executor:
        loaded = executor.submit(load)
        while not done.is_set():
            seen.add(storage.execute_scalar("SELECT count(*) FROM jan"))
            (table,) = storage.list_tables()
            seen.add(table.row_count)
    assert loaded.result() == 10_000
    assert {rows % 1000 for rows in seen} == {0}


def test_a_session_and_the_engine_see_what_the_other_has_committed(
    storage: StorageEngine,
) -> None:
    users = managed_table("profiles", "users")
    storage.create_profiles_table("users", make_profiles(10), PROFILES)
    count = select(func.count()).select_from(users)
    with storage.session() as session:
        assert session.scalar(count) == 10
        session.execute(insert(users), [make_profile(10), make_profile(11)])
        assert session.scalar(count) == 12
        assert storage.execute_scalar(count) == 10
        session.commit()
        assert storage.execute_scalar(count) == 12
        assert row_counts(storage) == {"users": 12}
        assert storage.append_profiles_table("users", make_profiles(15), PROFILES) == 3
        assert session.scalar(count) == 15
        session.rollback()
        session.execute(users.delete())
        session.rollback()
    assert row_counts(storage) == {"users": 15}


def test_a_session_keeps_what_it_sees_until_its_transaction_ends(storage: StorageEngine) -> None:
    storage.create_profiles_table("users", make_profiles(10), PROFILES)
    with storage.session() as session:
        assert session.scalar(text("SELECT count(*) FROM users")) == 10
        storage.append_profiles_table("users", make_profiles(15), PROFILES)
        assert session.scalar(text("SELECT count(*) FROM users")) == 10
        session.commit()
        assert session.scalar(text("SELECT count(*) FROM users")) == 15


def test_a_session_raises_the_errors_of_sqlalchemy(storage: StorageEngine) -> None:
    users = managed_table("profiles", "users")
    storage.create_profiles_table("users", make_profiles(10), PROFILES)
    with storage.session() as session, pytest.raises(IntegrityError):
        session.execute(insert(users), [make_profile(1)])
    assert row_counts(storage) == {"users": 10}


# Iterators


def test_an_iterator_bound_to_its_thread_is_used_in_no_other(storage: StorageEngine) -> None:
    with closing(sqlite3.connect(":memory:")) as source:
        source.execute("CREATE TABLE log (number INTEGER)")
        source.executemany("INSERT INTO log VALUES (?)", ((number,) for number in range(10_000)))
        cursor = source.execute("SELECT number FROM log ORDER BY number")
        data = (make_event(number) for (number,) in cursor)
        assert storage.create_events_table("jan", data, EVENTS) == 10_000
    assert numbers(storage, "jan") == list(range(10_000))


def test_an_iterator_and_a_callback_run_in_the_thread_that_loads(storage: StorageEngine) -> None:
    used = set()

    def data() -> Iterator[Record]:
        for record in make_events(5000):
            used.add(threading.current_thread())
            yield record

    def progress(_: int) -> None:
        used.add(threading.current_thread())

    def load() -> threading.Thread:
        storage.create_events_table("jan", data(), EVENTS, progress)
        return threading.current_thread()

    with ThreadPoolExecutor(1) as executor:
        thread = executor.submit(load).result()
    assert used == {thread}


def test_an_iterator_can_use_the_engine_that_it_loads_into(storage: StorageEngine) -> None:
    storage.create_profiles_table("users", make_profiles(10), PROFILES)

    def data() -> Iterator[Record]:
        yield from make_events(5000)
        storage.create_events_table("nested", make_events(3000), EVENTS)
        storage.append_profiles_table("users", make_profiles(12), PROFILES)
        assert row_counts(storage) == {"nested": 3000, "users": 12}
        for (number,) in storage.execute_rows("SELECT i FROM range(5000, 6000) AS t(i)"):
            yield make_event(number)

    assert storage.create_events_table("outer", data(), EVENTS) == 6000
    assert row_counts(storage) == {"nested": 3000, "outer": 6000, "users": 12}


def test_what_was_loaded_within_a_load_that_fails_stays(storage: StorageEngine) -> None:
    def data() -> Iterator[Record]:
        yield make_event()
        storage.create_events_table("nested", make_events(10), EVENTS)
        raise LookupError

    with pytest.raises(LookupError):
        storage.create_events_table("outer", data(), EVENTS)
    assert row_counts(storage) == {"nested": 10}


@pytest.mark.parametrize(
    "nested",
    [
        lambda storage: storage.append_events_table("jan", make_events(1, 99), EVENTS),
        lambda storage: storage.drop_table("jan"),
    ],
    ids=["append", "drop"],
)
def test_a_load_within_a_load_of_the_same_table_is_refused(
    storage: StorageEngine, nested: Callable[[StorageEngine], object]
) -> None:
    storage.create_events_table("jan", make_events(10), EVENTS)

    def data() -> Iterator[Record]:
        yield make_event(10)
        with pytest.raises(WriteConflictError):
            nested(storage)
        yield make_event(11)

    assert storage.append_events_table("jan", data(), EVENTS) == 2
    assert numbers(storage, "jan") == list(range(12))


def test_rows_read_from_a_table_can_be_loaded_into_another(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3000), EVENTS)
    table = managed_table("events", "jan")
    with storage.session() as session:
        data = (dict(row) for row in session.execute(select(table)).mappings())
        assert storage.create_events_table("copy", data, EVENTS) == 3000
    assert numbers(storage, "copy") == list(range(3000))
    pd.testing.assert_frame_equal(
        storage.execute_df("SELECT * FROM jan"), storage.execute_df("SELECT * FROM copy")
    )


# Afterwards


def stop(_: int) -> None:
    raise LookupError


@pytest.mark.parametrize("batch_size", [1, 100, 10_000])
def test_no_thread_is_left_after_a_load_however_it_ends(
    storage: StorageEngine, batch_size: int
) -> None:
    storage.execute_scalar("SELECT 1")  # the first statement starts what hears Ctrl-C
    before = threading.enumerate()

    def failing() -> Iterator[Record]:
        yield from make_events(500)
        raise LookupError

    storage.create_events_table("good", make_events(500), EVENTS, batch_size=batch_size)
    assert threading.enumerate() == before
    storage.append_events_table("good", make_events(600), EVENTS, batch_size=batch_size)
    assert threading.enumerate() == before
    storage.create_events_table("empty", [], EVENTS, batch_size=batch_size)
    assert threading.enumerate() == before
    with pytest.raises(LookupError):
        storage.create_events_table("t", failing(), EVENTS, batch_size=batch_size)
    assert threading.enumerate() == before
    with pytest.raises(LookupError):
        storage.create_events_table("t", make_events(500), EVENTS, stop, batch_size=batch_size)
    assert threading.enumerate() == before
    with pytest.raises(RecordError):
        storage.append_events_table("good", [*make_events(500), {}], EVENTS, batch_size=batch_size)
    assert threading.enumerate() == before
    with pytest.raises(RecordError):
        storage.append_events_table(
            "good", make_events(500), EVENTS, batch_size=batch_size, on_conflict="error"
        )
    assert threading.enumerate() == before


def test_a_load_that_fails_in_one_thread_disturbs_no_other(storage: StorageEngine) -> None:
    def load(number: int) -> int:
        data: list[Record] = [*make_events(2000), *([{}] if number % 2 else [])]
        return storage.create_events_table(f"t{number}", data, EVENTS, batch_size=100)

    outcomes = in_threads(load)
    assert outcomes[::2] == [2000] * (THREADS // 2)
    assert {type(outcome) for outcome in outcomes[1::2]} == {RecordError}
    assert row_counts(storage) == {f"t{number}": 2000 for number in range(0, THREADS, 2)}


def test_closing_stops_the_loads_and_queries_of_other_threads(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(100), EVENTS)
    loads = [
        PausedLoad(lambda data: storage.create_events_table("feb", data, EVENTS)),
        PausedLoad(lambda data: storage.append_events_table("jan", data, EVENTS)),
    ]
    storage.close()
    for load in loads:
        with pytest.raises(StorageClosedError):
            load.finish()
    with pytest.raises(StorageClosedError):
        storage.list_tables()


def test_closing_while_threads_work_gives_them_clear_errors(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(100), EVENTS)
        working = threading.Semaphore(0)

        def work(number: int) -> Exception:
            while True:
                try:
                    if number % 2:
                        storage.append_events_table("jan", make_events(200), EVENTS)
                    else:
                        storage.execute_df("SELECT * FROM jan")
                        storage.list_tables()
                except Exception as error:
                    return error
                finally:
                    working.release()

        with ThreadPoolExecutor(4) as executor:
            ended = [executor.submit(work, number) for number in range(4)]
            for _ in range(20):
                working.acquire()
            storage.close()
            errors = [end.result(TIMEOUT) for end in ended]
    assert [type(error) for error in errors] == [StorageClosedError] * 4, errors
    with StorageEngine(path) as storage:
        assert row_counts(storage) in ({"jan": 100}, {"jan": 200})


def test_an_iterator_that_closes_the_engine_ends_its_load(storage: StorageEngine) -> None:
    def data() -> Iterator[Record]:
        yield from make_events(3000)
        storage.close()
        yield from make_events(3000, 3000)

    before = threading.enumerate()
    with pytest.raises(StorageClosedError):
        storage.create_events_table("jan", data(), EVENTS)
    assert threading.enumerate() == before
