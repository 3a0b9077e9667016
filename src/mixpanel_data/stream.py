"""Batches made in the caller's thread flow into one INSERT that DuckDB runs in another.

The caller's iterator and callback never leave the caller's thread. DuckDB pulls from a short queue,
so it stores one batch while the next is made, and a producer that is faster has to wait.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    column,
    insert,
    literal_column,
    select,
    table,
)

from mixpanel_data.interrupts import ctrl_c_waits

if TYPE_CHECKING:
    from mixpanel_data import dialect

#: How many batches may wait for DuckDB. More would only cost memory.
QUEUE_LENGTH = 4


class Batches(Protocol):
    """Where rows come from.

    Attributes:
        schema: Arrow schema of the batches, with the columns of the table.
        expressions: SQL that makes a column of what a batch has under its name, where that is not
            the column itself. What it makes NULL of is refused afterwards.
    """

    schema: pa.Schema

    @property
    def expressions(self) -> Mapping[str, str]:
        """SQL for the columns that are not simply taken."""
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Iterate over the batches, once."""
        ...


class BatchQueue:
    """A bounded queue between two threads that either side can end at any time.

    It has no lock of Python's own: Ctrl-C right after one was taken would leave it taken for ever,
    and the other thread waiting for it.

    Args:
        length: How many batches may wait.

    Attributes:
        aborted: True when the writer has given up.
    """

    def __init__(self, length: int = QUEUE_LENGTH) -> None:
        self._batches: SimpleQueue[pa.RecordBatch | None] = SimpleQueue()
        self._slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(length):
            self._slots.put(None)
        self._reading = True
        self.aborted = False

    def put(self, batch: pa.RecordBatch) -> bool:
        """Add a batch, waiting while the queue is full; False when nobody reads any more."""
        if self._reading:
            self._slots.get()
            self._batches.put(batch)
        return self._reading

    def finish(self) -> None:
        """Tell the reader that no more batches come."""
        self._batches.put(None)

    def abort(self) -> None:
        """Make the reader fail, so that its statement does not count what came so far."""
        self.aborted = True
        self._batches.put(None)

    def stop_reading(self) -> None:
        """Tell the writer that nobody reads any more."""
        self._reading = False
        self._slots.put(None)

    def wait(self) -> None:
        """Wait until nobody reads any more."""
        while self._reading:
            self._slots.get()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches in the reader's thread, until the writer ends.

        Raises:
            InterruptedError: The writer aborted.
        """
        while (batch := self._batches.get()) is not None and not self.aborted:
            self._slots.put(None)
            yield batch
        if self.aborted:
            raise InterruptedError("The load was abandoned.")


def insert_batches(
    connection: Connection,
    target: Table,
    batches: Batches,
    progress: Callable[[int], object] | None,
) -> None:
    """Insert batches with one statement, in the transaction of the connection.

    Args:
        connection: Connection with a transaction open. It commits nothing here.
        target: Table to insert into, empty.
        batches: The rows; iterated once, in the calling thread.
        progress: Called in the calling thread after each batch with the rows so far.

    Raises:
        MixpanelDataError: DuckDB could not store the rows.
        BaseException: Whatever ``batches`` or ``progress`` raised, unchanged. DuckDB has stopped
            by then; the transaction is to be rolled back.
    """
    dbapi = cast("dialect.Connection", connection.connection.dbapi_connection)
    names = batches.schema.names
    source = table(f"_batches_{uuid4().hex}", *map(column, names))
    expressions = [batches.expressions.get(name, name) for name in names]
    cells: list[ColumnElement[Any]] = [literal_column(expression) for expression in expressions]
    statement = insert(target).from_select(names, select(*cells).select_from(source))
    queue = BatchQueue()
    failures: list[BaseException] = []

    def store() -> None:
        try:
            if not queue.aborted:
                connection.execute(statement)
        except BaseException as error:
            failures.append(error)
        finally:
            queue.stop_reading()

    dbapi.on_interrupt = queue.abort
    reader = pa.RecordBatchReader.from_batches(batches.schema, iter(queue))
    with ctrl_c_waits():  # DuckDB would make an error of it while it asks Python for the schema
        dbapi.register(source.name, reader)
    rows, pid = 0, os.getpid()
    thread = threading.Thread(target=store, name="mixpanel_data-load", daemon=True)
    try:
        with ctrl_c_waits():  # the new thread could be left waiting for a lock of ours
            thread.start()
        for batch in batches:
            if not queue.put(batch):
                break
            rows += batch.num_rows
            if progress is not None:
                progress(rows)
        queue.finish()
        queue.wait()
    except BaseException:
        if os.getpid() == pid:  # the iterator may have forked, and the thread is the parent's
            with ctrl_c_waits():  # who is in a hurry presses it twice
                dbapi.interrupt()
                if thread.ident is not None:
                    # After Ctrl-C, `join` may take a thread for dead that is not:
                    # https://github.com/python/cpython/issues/90882
                    queue.wait()
                    thread.join()
        raise
    thread.join()
    if failures:
        raise failures[0]
    dbapi.unregister(source.name)
    dbapi.on_interrupt = None
