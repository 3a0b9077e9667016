"""Stands where DuckDB's connection stands in a connection of the dialect, and asks a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import duckdb
from duckdb import DuckDBPyConnection

from mixpanel_data.exceptions import SandboxError

if TYPE_CHECKING:
    import pandas as pd

    from mixpanel_data.sandbox.results import Result

Row = tuple[Any, ...]


class Reading:
    """What DuckDB's client says of a statement that reads, which is all that a worker runs."""

    expected_result_type = (duckdb.ExpectedResultType.QUERY_RESULT,)


class RemoteDriver:
    """Has what a connection of DuckDB has for one statement after the other.

    Args:
        run: Runs a statement with parameters in a worker, and returns its rows.
        driver: A connection of DuckDB here, which makes Python objects of them.
    """

    def __init__(self, run: Callable[[str, Any], Result], driver: DuckDBPyConnection) -> None:
        self._run = run
        self._driver = driver
        self._result: Result | None = None
        self._read = 0

    def execute(self, sql: str, parameters: Any = ()) -> RemoteDriver:
        """Run a statement."""
        self._result = None
        self._result, self._read = self._run(sql, parameters), 0
        return self

    @property
    def description(self) -> list[Row] | None:
        """What PEP 249 says of the columns."""
        from mixpanel_data.sandbox import results

        return None if self._result is None else results.description_of(self._driver, self._result)

    def fetchmany(self, size: int) -> list[Row]:
        """Return the next rows."""
        from mixpanel_data.sandbox import results

        part = self._rows().part(self._read, size)
        self._read += part.table.num_rows
        return results.rows_of(self._driver, part)

    def fetchall(self) -> list[Row]:
        """Return all rows that are left."""
        return self.fetchmany(self._rows().table.num_rows)

    def df(self) -> pd.DataFrame:
        """Return all rows as a DataFrame."""
        from mixpanel_data.sandbox import results

        return results.data_frame_of(self._driver, self._rows())

    def extract_statements(self, sql: str) -> list[Reading]:
        """Return one statement, unparsed: the worker has judged it."""
        return [Reading()]

    def _rows(self) -> Result:
        if self._result is None:
            raise duckdb.InvalidInputException("There is no result to read.")
        return self._result

    def rollback(self) -> None:
        """Drop the rows. There is no transaction."""
        self._result = None

    def register(self, name: str, data: object) -> NoReturn:
        """Refuse to hand data over."""
        raise SandboxError("registering data where a worker runs SQL", name)

    def interrupt(self) -> None:
        """Interrupt what is being made of the rows. Closing the engine ends its workers."""
        self._driver.interrupt()

    def close(self) -> None:
        """Close the connection."""
        self._result = None
        self._driver.close()
