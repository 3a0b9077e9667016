"""Batches made in the caller's thread flow into one INSERT that DuckDB runs in another.

The caller's iterator and callback never leave the caller's thread. DuckDB pulls from a short queue,
so it stores one batch while the next is made, and a producer that is faster has to wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import uuid4

import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Select,
    Table,
    column,
    insert,
    literal_column,
    select,
    table,
)

from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.dialect.sql.derived import DERIVES_OPTION

if TYPE_CHECKING:
    from mixpanel_data.dialect.driver import connection as driver

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


class _Storing(threading.Thread):
    """The thread in which DuckDB runs the INSERT: the background statement of the connection.

    Args:
        connection: Where it runs.
        dbapi: The dialect's connection below.
        statement: The INSERT, which reads the queue.
        queue: The batches.

    Attributes:
        failure: What the statement raised, None for nothing.
    """

    def __init__(
        self,
        connection: Connection,
        dbapi: driver.Connection,
        statement: Insert,
        queue: BatchQueue,
    ) -> None:
        super().__init__(name="mixpanel_data-load", daemon=True)
        self.failure: BaseException | None = None
        self._connection = connection
        self._dbapi = dbapi
        self._statement = statement
        self._queue = queue

    def run(self) -> None:
        """Run the statement."""
        try:
            if not self._queue.aborted:
                self._connection.execute(self._statement)
        except BaseException as error:
            self.failure = error
        finally:
            self._queue.stop_reading()

    def abort(self) -> None:
        """Make the statement fail; DuckDB cannot interrupt it while it waits for a batch."""
        self._queue.abort()

    def stop(self) -> None:
        """Interrupt the statement, and wait until it has ended."""
        with defer_keyboard_interrupt():  # people press it twice
            self._dbapi.interrupt()
            self.wait()

    def wait(self) -> None:
        """Wait for the end of the statement, unless it is the statement that asks."""
        if threading.current_thread() is not self:
            # After Ctrl-C, `join` may return while the thread still runs:
            # https://github.com/python/cpython/issues/90882
            self._queue.wait()
            self.join()


def insert_batches(
    connection: Connection,
    target: Table,
    batches: Batches,
    progress: Callable[[int], object] | None,
    *,
    derived: Mapping[str, str],
) -> None:
    """Insert batches with one statement, in the transaction of the connection.

    Args:
        connection: Connection with a transaction open. It commits nothing here.
        target: Table to insert into, empty.
        batches: The rows; iterated once, in the calling thread.
        progress: Called in the calling thread after each batch with the rows so far.
        derived: SQL of further columns over those of the batches, by name.

    Raises:
        MixpanelDataError: DuckDB could not store the rows.
        BaseException: Whatever ``batches`` or ``progress`` raised, unchanged. DuckDB has stopped
            by then; the transaction is to be rolled back.
    """
    dbapi = cast("driver.Connection", connection.connection.dbapi_connection)
    names = batches.schema.names
    source = table(f"_batches_{uuid4().hex}", *map(column, names))
    expressions = [batches.expressions.get(name, name) for name in names]
    cells: list[ColumnElement[Any]] = [
        literal_column(expression).label(name)
        for name, expression in zip(names, expressions, strict=True)
    ]
    statement = insert_derived(target, select(*cells).select_from(source), derived)
    rows = 0
    with _running(connection, dbapi, statement, source.name, batches.schema) as queue:
        for batch in batches:
            if not queue.put(batch):
                break
            rows += batch.num_rows
            if progress is not None:
                progress(rows)


def insert_derived(target: Table, rows: Select[Any], derived: Mapping[str, str]) -> Insert:
    """Return the INSERT of the rows of a query, and of columns that are made of these.

    Args:
        target: Table to insert into.
        rows: The query, with the names of the columns.
        derived: SQL of further columns over those of the query, by name.
    """
    names = rows.selected_columns.keys()
    if derived:
        found = rows.subquery()
        rows = select(found, *map(literal_column, derived.values()))
    statement = insert(target).from_select([*names, *derived], rows)
    return statement.execution_options(**{DERIVES_OPTION: True})


@contextmanager
def _running(
    connection: Connection,
    dbapi: driver.Connection,
    statement: Insert,
    source: str,
    schema: pa.Schema,
) -> Iterator[BatchQueue]:
    """Run a statement over a queue that the block fills; it has ended when the block has.

    Args:
        connection: Where it runs.
        dbapi: The dialect's connection below.
        statement: The INSERT.
        source: Name of the table that it reads.
        schema: Schema of the batches.

    Raises:
        BaseException: What the block raised, or else what the statement did.
    """
    queue = BatchQueue()
    storing = _Storing(connection, dbapi, statement, queue)
    # Ctrl-C would get lost in DuckDB, or leave the thread waiting for a lock of ours.
    with defer_keyboard_interrupt():
        dbapi.register(source, pa.RecordBatchReader.from_batches(schema, iter(queue)))
        storing.start()
        dbapi.background = storing
    try:
        yield queue
        queue.finish()
        storing.wait()
    except BaseException:
        dbapi.stop_background()
        raise
    dbapi.background = None
    if storing.failure is not None:
        raise storing.failure
    dbapi.unregister(source)
