"""The unread rows of a cursor as Arrow data, DataFrames and arrays."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, cast

import duckdb
from duckdb import DuckDBPyRelation, ProgrammingError

from mixpanel_data.dialect.driver.arrow_types import fit_for_arrow, renamed, typed_nulls
from mixpanel_data.dialect.driver.guards import Row
from mixpanel_data.dialect.driver.rows import Rows
from mixpanel_data.dialect.driver.shared_connection import SharedConnection

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_T = TypeVar("_T")

#: DuckDB's default number of rows in an Arrow batch.
_BATCH = 1_000_000

#: Values that are given back to DuckDB in one statement. A statement for each row takes a
#: thousandth of a second and more.
_PARAMETERS = 2_000

#: DuckDB 2.0 warns that the rows of a result are copied once for Arrow.
_quiet = threading.Lock()


class ArrowStream:
    """Arrow batches of a result that is read while the connection may run other statements."""

    def __init__(self, connection: SharedConnection, reader: pa.RecordBatchReader) -> None:
        self._connection = connection
        self._reader: pa.RecordBatchReader | None = reader
        self._schema = reader.schema
        self._ahead: deque[pa.RecordBatch] = deque()
        self._error: BaseException | None = None

    def reader(self) -> pa.RecordBatchReader:
        """Return the batches as a reader, which keeps this object."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self._schema, iter(self))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Iterate over the batches."""
        while True:
            if self._reader is not None and not self._ahead:
                self._connection.run(self, self.buffer_chunk)
            if not self._ahead:
                break
            yield self._ahead.popleft()
        if self._error is not None:
            raise self._error

    def buffer_chunk(self) -> None:
        """Read one batch, or note the error."""
        if self._reader is None:
            return
        try:
            self._ahead.append(self._reader.read_next_batch())
        except StopIteration:
            self._reader = None
        except BaseException as error:
            self._error = error
            self._reader = None
            if not isinstance(error, Exception):
                raise

    def buffer_remaining(self) -> bool:
        """Read what is unread; False if that failed."""
        while self._reader is not None:
            self.buffer_chunk()
        return self._error is None

    def invalidate(self) -> None:
        """Discard the unread batches after a rollback; reading them raises an error."""
        if self._reader is not None:
            self._error = ProgrammingError(
                "The transaction was rolled back before all rows were read. Read them first."
            )
            self._reader = None


class Frames(Rows):
    """Methods of a cursor that return all its unread rows at once, under DuckDB's names.

    DuckDB makes them column by column, with the exact types. Rows that are in Python already are
    given back to it, in a database of their own.
    """

    def to_arrow_reader(self, batch_size: int = _BATCH) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches. Another statement may run while it is read."""
        with self.connection.lock:  # no other statement may come between
            if self._is_unread() and self._fits_arrow():
                reader = self._whole(_to_reader, batch_size)
                stream = ArrowStream(self.connection, reader)
                self.connection.run(stream, lambda: None)
                return stream.reader()
        return fit_for_arrow(self._rest()).to_arrow_reader(batch_size)

    def to_arrow_table(self, batch_size: int = _BATCH) -> pa.Table:
        """Return an Arrow table."""
        if not (self._is_unread() and self._fits_arrow()):
            return fit_for_arrow(self._rest()).to_arrow_table(batch_size)
        return self._whole(lambda source, size: _to_reader(source, size).read_all(), batch_size)

    def fetch_arrow_table(self, rows_per_batch: int = _BATCH) -> pa.Table:
        """Return an Arrow table."""
        return self.to_arrow_table(rows_per_batch)

    def fetch_record_batch(self, rows_per_batch: int = _BATCH) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches."""
        return self.to_arrow_reader(rows_per_batch)

    def arrow(self, rows_per_batch: int = _BATCH) -> pa.RecordBatchReader:
        """Return a reader of Arrow batches."""
        return self.to_arrow_reader(rows_per_batch)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the rows for anything that reads Arrow's C streams."""
        return self.to_arrow_reader().__arrow_c_stream__(requested_schema)

    def pl(self, rows_per_batch: int = _BATCH) -> pl.DataFrame:
        """Return a DataFrame of polars."""
        import polars as pl

        return pl.DataFrame(self.to_arrow_table(rows_per_batch))

    def df(self, **options: Any) -> pd.DataFrame:
        """Return a DataFrame of pandas."""
        frame: pd.DataFrame = self._whole(lambda source: source.df(**options))
        return frame

    def fetchdf(self, **options: Any) -> pd.DataFrame:
        """Return a DataFrame of pandas."""
        return self.df(**options)

    def fetch_df(self, **options: Any) -> pd.DataFrame:
        """Return a DataFrame of pandas."""
        return self.df(**options)

    def fetchnumpy(self) -> dict[str, Any]:
        """Return arrays of numpy by the names of columns."""
        return self._whole(lambda source: source.fetchnumpy())

    def torch(self) -> dict[str, Any]:
        """Return tensors of torch by the names of columns."""
        return self._whole(lambda source: source.torch())

    def tf(self) -> dict[str, Any]:
        """Return tensors of TensorFlow by the names of columns."""
        return self._whole(lambda source: source.tf())

    def fetch_df_chunk(self, vectors_per_chunk: int = 1, **options: Any) -> pd.DataFrame:
        """Return the next rows as a DataFrame of pandas, 2,048 for each of the vectors."""
        rows = self.fetchmany(2048 * vectors_per_chunk)
        frame: pd.DataFrame = self._relation_of(rows).df(**options)
        return frame

    def _whole(self, read: Callable[..., _T], *arguments: Any) -> _T:
        with self.connection.lock:
            if self._is_unread():
                self._more = False
                found: _T = self._read(lambda: read(self._source, *arguments))
                return found
        return read(self._rest(), *arguments)

    def _is_unread(self) -> bool:
        """Tell whether all rows that are left are still in DuckDB."""
        return self._more and not self._fetched and self._result is None

    def _fits_arrow(self) -> bool:
        """Tell whether DuckDB can give all rows to Arrow as they are."""
        kinds = [str(kind) for _, kind, *_ in self.description or ()]
        return kinds == [*map(typed_nulls, kinds)]

    def _rest(self) -> DuckDBPyRelation:
        with self.connection.lock:
            if self._more and not self._fetched and (result := self._result) is not None:
                self._more = False
                relation: DuckDBPyRelation = self._read(result.relation)
                return relation
        return self._relation_of(self.fetchall())

    def _relation_of(self, rows: list[Row]) -> DuckDBPyRelation:
        """Return rows as a relation in a database of its own, with the types of the description."""
        columns = self.description or [("Count", "BIGINT")]  # of a statement without rows
        driver = duckdb.connect(":memory:")
        cursor: Any = cast(Any, type(self))(SharedConnection(driver))
        types = (renamed(str(kind), {'"NULL"': "INTEGER"}) for _, kind, *_ in columns)
        declared = ", ".join(f"c{number} {kind}" for number, kind in enumerate(types))
        cursor.execute("SET TimeZone = 'UTC'")
        cursor.execute(f"CREATE TABLE fetched ({declared})")
        row = f"({', '.join('?' * len(columns))})"
        size = max(1, _PARAMETERS // len(columns))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            values = ", ".join([row] * len(part))
            cursor.execute(f"INSERT INTO fetched VALUES {values}", [*chain(*part)])  # noqa: S608
        names = ('"{}"'.format(name.replace('"', '""')) for name, *_ in columns)
        selected = ", ".join(f"c{number} AS {name}" for number, name in enumerate(names))
        return driver.sql(f"SELECT {selected} FROM fetched")  # noqa: S608 (names are quoted)


def _to_reader(source: Any, batch_size: int) -> pa.RecordBatchReader:
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return source.to_arrow_reader(batch_size)
