"""PostgreSQL's advisory locks of a lake: one for each table, and one for all of them.

A load takes the lock of its table, and shares the lock of the lake. What changes tables takes the
lock of the lake for itself. A lock ends with its transaction, so with its session at the latest.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from mixpanel_data.dialect.lake.attaching import attach_catalog
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.dialect.lake.failures import catalog_errors
from mixpanel_data.exceptions import CatalogueUnavailableError, TableLockedError

#: Distinguishes our locks from those of others in the same database.
_CLASS = zlib.crc32(b"mixpanel_data") & 0x7FFFFFFF

#: How many seconds a writer waits for others unless told otherwise: longer than a load has a lock.
DEFAULT_TIMEOUT = 600.0

#: How long one wait lasts; in between, Ctrl-C is heard.
_STEP_MILLISECONDS = 1000

#: How many sessions may be lost while waiting, and the seconds after the first of them.
_SESSIONS = 10
_PAUSE = 0.1

#: What PostgreSQL says at the end of a wait.
_TIMED_OUT = "lock timeout"

_HOLDERS = """
    SELECT application_name, coalesce(client_addr::VARCHAR, 'local') AS address
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = {classid} AND objid IN ({numbers})
        AND pid <> pg_backend_pid()
"""

_LAKE_WIDE = ""


class Locks:
    """The locks of a lake, taken through a DuckDB of its own that no SQL of users can reach.

    Args:
        lake: The lake.
        timeout: Seconds to wait for a lock.
    """

    def __init__(self, lake: Lake, timeout: float) -> None:
        self._lake = lake
        self._timeout = timeout
        self._driver: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()

    def close(self) -> None:
        """Close its DuckDB, and let every lock go."""
        with self._opening:
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.close()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock of the whole lake in the block.

        Raises:
            TableLockedError: Others had it, or that of a table, until the time was up.
            CatalogueUnavailableError: The catalog does not answer.
        """
        with self._holding([(_LAKE_WIDE, "")]):
            yield

    @contextmanager
    def of_table(self, name: str) -> Iterator[None]:
        """Hold the lock of a table in the block, and share that of the lake.

        Raises:
            TableLockedError: Another loader had it until the time was up.
            CatalogueUnavailableError: The catalog does not answer.
        """
        with self._holding([(_LAKE_WIDE, "_shared"), (name, "")]):
            yield

    @contextmanager
    def _holding(self, wanted: list[tuple[str, str]]) -> Iterator[None]:
        """Hold some locks, named with the ending of PostgreSQL's function for each."""
        cursor = self._session()
        try:
            self._wait(cursor, wanted)
            yield
        finally:
            # The session may be gone, and its locks with it: the fence of the table protects then.
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            cursor.close()

    def _wait(self, cursor: duckdb.DuckDBPyConnection, wanted: list[tuple[str, str]]) -> None:
        """Take locks, in steps, also where the session is lost meanwhile."""
        deadline = time.monotonic() + self._timeout
        lost = 0
        while True:
            try:
                if self._take(cursor, wanted):
                    return
                if time.monotonic() > deadline:
                    holder = self._holder(cursor, wanted)
                    raise TableLockedError(str(self._lake), wanted[-1][0], self._timeout, holder)
            except CatalogueUnavailableError:
                lost += 1
                if lost == _SESSIONS:
                    raise
                time.sleep(lost * _PAUSE)

    def _session(self) -> duckdb.DuckDBPyConnection:
        with self._opening:
            if self._driver is None:
                driver = duckdb.connect(
                    ":memory:", config={"threads": 1, "autoinstall_known_extensions": False}
                )
                attach_catalog(driver, self._lake, "catalog")
                self._driver = driver
            return self._driver.cursor()

    def _take(self, cursor: duckdb.DuckDBPyConnection, wanted: list[tuple[str, str]]) -> bool:
        """Take all locks in one transaction; False if the step was too short for that."""
        with catalog_errors(self._lake):
            try:
                cursor.execute("BEGIN")
                cursor.execute(
                    "CALL postgres_execute('catalog', "
                    f"'SET LOCAL lock_timeout = {_STEP_MILLISECONDS}')"
                )
                for name, ending in wanted:
                    function = f"pg_advisory_xact_lock{ending}"
                    _ask(cursor, f"SELECT {function}({_CLASS}, {_number(name)})::VARCHAR")
            except duckdb.Error as error:
                with suppress(duckdb.Error):
                    cursor.execute("ROLLBACK")
                if _TIMED_OUT in str(error):
                    return False
                raise
        return True

    def _holder(
        self, cursor: duckdb.DuckDBPyConnection, wanted: list[tuple[str, str]]
    ) -> str | None:
        numbers = ", ".join(str(_number(name)) for name, _ in wanted)
        with catalog_errors(self._lake):
            found = _ask(cursor, _HOLDERS.format(classid=_CLASS, numbers=numbers))
        return ", ".join(f"{name} ({address})" for name, address in found) or None


def _ask(cursor: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, ...]]:
    return cursor.execute("FROM postgres_query('catalog', $query)", {"query": query}).fetchall()


def _number(name: str) -> int:
    return zlib.crc32(name.lower().encode()) & 0x7FFFFFFF
