"""The owner of a database's connections: opens, guards, locks and closes them."""

from __future__ import annotations

import ctypes
import os
import threading
import time
import weakref
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import Connection, Engine

from mixpanel_data import connect, schema
from mixpanel_data.ephemeral import EphemeralFolder
from mixpanel_data.exceptions import (
    DatabaseFileError,
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    MixpanelDataError,
    OutOfMemoryError,
    StorageClosedError,
    StorageForkedError,
)
from mixpanel_data.sandbox import Guard, Rules, Sandbox

if TYPE_CHECKING:
    from mixpanel_data import dialect

#: What DuckDB 2.0 raises when a connection is closed while it works; 1.5 waits instead.
_BUSY: tuple[type[duckdb.Error], ...] = tuple(
    getattr(duckdb, name) for name in ("ResourceInUseException",) if hasattr(duckdb, name)
)

DEFAULT_LOAD_MEMORY_LIMIT = "192MiB"


class Database:
    """An open database, its SQLAlchemy engine and the locks of its writers.

    Args:
        path: The file, created with the folders above it where there is none; None for memory.
        read_only: Open without the right to write.
        config: DuckDB's settings.
        load_memory_limit: What DuckDB's memory may grow to while rows stream in, unless
            ``config`` has a ``memory_limit``; None for no limit of ours.
        migrate: Upgrade an older file first.
        sandbox: The limits for the SQL of others, None for no sandbox.
        lock_timeout: Seconds to wait while another process has the file open.
        folder: A folder to remove on closing.

    Attributes:
        path: The file, None in memory.
        read_only: As given.
        connection: A DuckDB connection for the user's own purposes; it knows no sandbox.
        engine: The SQLAlchemy engine.
        rules: What the SQL of others may contain, None for everything.

    Raises:
        ValueError: ``config`` has a setting that is the sandbox's, or ``lock_timeout`` is negative.
        DatabaseFileError: The file cannot be opened; the subclass says why.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        read_only: bool = False,
        config: Mapping[str, Any] | None = None,
        load_memory_limit: str | None = DEFAULT_LOAD_MEMORY_LIMIT,
        migrate: bool = False,
        sandbox: Sandbox | None = None,
        lock_timeout: float = 0,
        folder: EphemeralFolder | None = None,
    ) -> None:
        config = _with_sandbox(config or {}, sandbox)
        if not lock_timeout >= 0:
            raise ValueError(f"lock_timeout is {lock_timeout}. Use seconds, or 0 not to wait.")
        is_new = path is None or not connect.exists(path)
        if path is not None and is_new:
            if read_only:
                raise DatabaseNotFoundError(path)
            _make_folder(path)
        self.path = path
        self.read_only = read_only
        self._pid = os.getpid()
        # In memory the limit would be one for the rows themselves.
        respects_user = "memory_limit" in config or path is None
        self._load_memory_limit = None if respects_user else load_memory_limit
        self._loads = 0
        self._budget_lock = threading.Lock()
        self._schema_lock = threading.RLock()
        self._table_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._root = connect.open_database(
            path, read_only=read_only, config=config, lock_timeout=lock_timeout
        )
        self._connections: weakref.WeakSet[dialect.Connection] = weakref.WeakSet()
        self._closing = weakref.finalize(
            self, _close, self._root, self._connections, folder, self._pid
        )
        try:
            if path is not None and is_new:
                path.chmod(0o600)
            self.connection = self._root.cursor()
            self._default_memory_limit = self._memory_limit()
            self._lowered_to = ""
            _open_here.add(self)
            self.rules = None if sandbox is None else Rules(self._root, sandbox)
            self.engine = connect.make_engine(path, self._connect_guarded)
            self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
            trusted = self.engine if sandbox is None else connect.make_engine(path, self.connect)
            self._own = connect.with_own_errors(trusted, path)
            if migrate and not is_new and path is not None:
                self._migrate(path, trusted)
            self._lacks_schema = False
            with self._own.begin() as connection:
                if is_new:
                    schema.ensure(connection)
                elif path is not None:
                    self._lacks_schema = schema.check(connection, path).state == "absent"
        except BaseException:
            self.close()
            raise

    def _migrate(self, path: Path, trusted: Engine) -> None:
        with self._own.begin() as connection:
            if schema.version_of(connection).state not in ("older", "unversioned"):
                return
            from mixpanel_data import revisions

            revisions.upgrade(connection, path)
        connect.checkpoint(trusted)

    def close(self) -> None:
        """Close every connection and let go of the file; closing twice is fine.

        What other threads are doing on a connection fails.
        """
        try:
            self._closing()
        except duckdb.Error as error:
            raise connect.translated(error, self.path, "") from error

    @property
    def is_open(self) -> bool:
        """False once the database was closed."""
        return self._closing.alive

    def require_open(self) -> None:
        """Raise unless this process opened the database and it is open still.

        Raises:
            StorageClosedError: It was closed.
            StorageForkedError: The parent of this process opened it.
        """
        if not self.is_open:
            raise StorageClosedError
        if os.getpid() != self._pid:
            raise StorageForkedError(self._pid)

    def connect(self) -> dialect.Connection:
        """Return a new connection of the dialect to the database."""
        from mixpanel_data.dialect import Connection

        self.require_open()
        connection = Connection(self._root.cursor(), self.require_open)
        self._connections.add(connection)
        return connection

    def _connect_guarded(self) -> dialect.Connection:
        connection = self.connect()
        if self.rules is not None:
            connection.statement_guard = Guard(self.rules, connection.driver)
        return connection

    def querying(self) -> Connection:
        """Return a connection, to be closed, on which every statement commits by itself."""
        self.require_open()
        return self._autocommit.connect()

    def looking(self) -> Connection:
        """Return a connection, to be closed, for reading the catalog and our own tables.

        What its driver raises is one of our errors.
        """
        self.require_open()
        return self._own.connect()

    @contextmanager
    def writing(self, table_name: str) -> Iterator[Connection]:
        """Lend a connection with a transaction that commits at the end of the block.

        Writers of one table take turns, writers of different tables do not wait for each other.
        What its driver raises is one of our errors.

        Args:
            table_name: The table that is to change.

        Raises:
            DatabaseReadOnlyError: The database was opened read-only.
            StorageClosedError: It was closed, before or meanwhile.
        """
        self.require_open()
        if self.read_only and self.path is not None:
            raise DatabaseReadOnlyError(self.path)
        with self._table_locks[table_name.lower()]:
            try:
                with self._own.begin() as connection:
                    yield connection
            except MixpanelDataError as error:
                if self.is_open:
                    raise
                raise StorageClosedError from error

    @contextmanager
    def creating(self, table_name: str) -> Iterator[Connection]:
        """Do as :meth:`writing` does, with the internal tables there.

        Where they are not, the transaction makes them, and others that would wait for its end.
        """
        with self._schema_lock if self._lacks_schema else nullcontext():
            with self.writing(table_name) as connection:
                schema.ensure(connection)
                yield connection
            self._lacks_schema = False

    @contextmanager
    def load_budget(self, *, parsing: bool = False) -> Iterator[None]:
        """Keep DuckDB's memory low in the block, and as it was afterwards.

        DuckDB lets its buffers grow to 80 % of the machine's memory. Rows that stream by gain
        nothing from that: they are written once. A limit that somebody set in SQL, before or
        meanwhile, is left alone.

        Args:
            parsing: DuckDB reads the rows from files, for which every thread needs buffers.
        """
        limit = self._load_memory_limit
        if limit is None:
            yield
            return
        if parsing and limit == DEFAULT_LOAD_MEMORY_LIMIT:
            ((threads,),) = self._ask("SELECT current_setting('threads')")
            limit = f"{256 + 128 * threads}MiB"
        self._count_load(1, limit)
        try:
            yield
        finally:
            self._count_load(-1, limit)

    def _count_load(self, change: int, limit: str) -> None:
        """Set the limit with the first of the loads that run at once, lift it with the last."""
        with self._budget_lock:
            before, self._loads = self._loads, self._loads + change
            if not self.is_open or os.getpid() != self._pid:
                return
            if before == 0 and self._memory_limit() == self._default_memory_limit:
                # One below what is in use is refused: the buffers are as full as they will get.
                with suppress(OutOfMemoryError):
                    self._ask("SET GLOBAL memory_limit = ?", [limit])
                self._lowered_to = self._memory_limit()
            if self._loads == 0 and self._memory_limit() == self._lowered_to:
                self._ask("RESET GLOBAL memory_limit")

    def _memory_limit(self) -> str:
        ((limit,),) = self._ask("SELECT current_setting('memory_limit')")
        return str(limit)

    def _ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with connect.query_errors(statement), closing(self.connect()) as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            return cursor.fetchall()

    def abandon(self) -> None:
        """Let nothing of the database be used or destroyed in this process."""
        drivers = [self._root, self.connection]
        for connection in self._connections:
            connection.closed = True
            drivers.append(connection.driver)
        for driver in drivers:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(driver))


def _with_sandbox(config: Mapping[str, Any], sandbox: Sandbox | None) -> dict[str, Any]:
    settings = {} if sandbox is None else sandbox.settings
    if both := config.keys() & settings.keys():
        raise ValueError(
            f"The sandbox sets {', '.join(sorted(both))}. Leave it out of config; "
            "Sandbox(...) takes the limits."
        )
    return {**config, **settings}


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        problem = f"its folder cannot be made: {error.strerror}."
        raise DatabaseFileError(path, problem) from error


def _close(
    root: duckdb.DuckDBPyConnection,
    connections: Iterable[dialect.Connection],
    folder: EphemeralFolder | None,
    pid: int,
) -> None:
    """Close a database, unless this process was forked from the one that opened it."""
    if os.getpid() != pid:
        return
    while True:
        for connection in list(connections):
            connection.interrupt()
        try:
            root.close()
            break
        except _BUSY:  # a statement is still on its way out
            time.sleep(0.001)
    for connection in list(connections):
        connection.closed = True
    if folder is not None:
        folder.remove()


_open_here: weakref.WeakSet[Database] = weakref.WeakSet()


def _abandon_after_fork() -> None:
    """Keep what the parent has open from ever being destroyed in a forked child.

    DuckDB's destructors would wait for threads that did not survive the fork, or write the file.
    """
    for database in _open_here:
        database.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_after_fork)
