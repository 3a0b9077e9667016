"""What a load costs in statements, and what it holds in memory."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mixpanel_data import StorageClosedError, StorageEngine
from tests.records import EVENTS, Record, make_event, make_events

Recorder = Callable[[StorageEngine], list[str]]


def test_a_load_of_any_number_of_batches_is_the_same_statements(
    storage: StorageEngine, statements: Recorder
) -> None:
    counts = []
    for name, batches in (("one", 1), ("three", 3), ("thirty", 30)):
        seen = statements(storage)
        storage.create_events_table(name, make_events(batches * 100), EVENTS, batch_size=100)
        counts.append(len(seen))
        assert len([statement for statement in seen if statement.startswith("INSERT")]) == 2
    assert counts[0] == counts[1] == counts[2] <= 10


def test_an_append_of_any_number_of_batches_is_the_same_statements(
    storage: StorageEngine, statements: Recorder
) -> None:
    storage.create_events_table("t", make_events(50), EVENTS)
    counts = []
    for start, batches in ((1000, 1), (2000, 3), (5000, 30)):
        seen = statements(storage)
        events = make_events(batches * 100, start=start)
        storage.append_events_table("t", events, EVENTS, batch_size=100)
        counts.append(len(seen))
    assert counts[0] == counts[1] == counts[2] <= 16


class Tracked(dict[str, Any]):
    """A dict that can be referenced weakly."""

    __hash__ = object.__hash__  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [dict, Tracked])
def test_records_are_let_go_as_soon_as_they_are_in_a_batch(
    storage: StorageEngine, kind: type[dict[str, Any]]
) -> None:
    alive: weakref.WeakSet[Tracked] = weakref.WeakSet()
    most = 0

    def tracked() -> Iterator[Record]:
        nonlocal most
        for number in range(20_000):
            mark = Tracked(number=number)
            alive.add(mark)
            most = max(most, len(alive))
            yield kind(make_event(number, properties=mark))

    storage.create_events_table("t", tracked(), EVENTS, batch_size=500)
    gc.collect()
    assert storage.execute_scalar("SELECT count(*) FROM t") == 20_000
    assert most <= 10
    assert len(alive) <= 2


def test_a_fast_producer_is_never_far_ahead_of_the_database(storage: StorageEngine) -> None:
    import pyarrow as pa

    from mixpanel_data.ingest.insert_stream import QUEUE_LENGTH, BatchQueue

    queue, batch = BatchQueue(), pa.record_batch([pa.array([1])], names=["n"])
    made = 0

    def produce() -> None:
        nonlocal made
        while queue.put(batch):
            made += 1

    producer = threading.Thread(target=produce)
    producer.start()
    reader = iter(queue)
    for taken in range(1, 50):
        next(reader)
        assert made <= taken + QUEUE_LENGTH
    queue.stop_reading()
    producer.join(60)
    assert not producer.is_alive()
    assert made <= 49 + QUEUE_LENGTH


def test_a_database_that_is_closed_in_the_middle_stops_the_producer(
    storage: StorageEngine,
) -> None:
    storage.create_events_table("t", [], EVENTS)
    made = 0

    def endless() -> Iterator[Record]:
        nonlocal made
        while True:
            made += 1
            if made == 3000:
                storage.close()
            yield make_event(made)

    with pytest.raises(StorageClosedError):
        storage.append_events_table("t", endless(), EVENTS, batch_size=100)
    assert not [t for t in threading.enumerate() if t.name.startswith("mixpanel_data-load")]
