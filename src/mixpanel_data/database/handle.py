"""The owner of a database: opens, guards, locks and closes it."""

from __future__ import annotations

import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.database import backup, engines, error_translation, opener, paths, permissions
from mixpanel_data.database.connection_registry import Connections
from mixpanel_data.database.ephemeral import EphemeralFolder
from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.settings import RESOURCES, WITHOUT_LOG, Resources, TemporarySettings
from mixpanel_data.database.statement_policy import PolicyFactory, StatementPolicy, TrustedSql
from mixpanel_data.exceptions import (
    DatabaseMovedError,
    DatabaseNotFoundError,
    DatabaseReadOnlyError,
    MixpanelDataError,
    SandboxError,
    StorageClosedError,
    StorageForkedError,
)
from mixpanel_data.schema import versions

if TYPE_CHECKING:
    from typing_extensions import Self

    from mixpanel_data.dialect.driver import connection as driver


class Database:
    """An open database, its SQLAlchemy engine and the locks of its writers.

    Made by :meth:`open`.

    Attributes:
        path: The file, None in memory.
        read_only: True when it was opened without the right to write.
        policy: What the SQL of users may do.
        connection: A DuckDB connection for the user's own purposes; it knows no sandbox.
        engine: The SQLAlchemy engine.
        trusted: The same without a sandbox, for what the caller asks the library to do.
    """

    def __init__(
        self,
        path: Path | None,
        options: OpenOptions,
        opened: OpenDatabase,
        connections: Connections,
        policy: StatementPolicy,
        folder: EphemeralFolder | None,
    ) -> None:
        self.path = path
        self.read_only = options.read_only
        self.policy = policy
        self._options = options
        self._opened = opened
        self._connections = connections
        self._closing = weakref.finalize(self, connections.close, folder)
        self._schema_lock = threading.RLock()
        self._table_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._lacks_schema = False
        if path is not None:
            self._file = path.resolve()
            self._opened_file = self._file.stat()
        self.connection = connections.raw()
        self._settings = TemporarySettings(self._ask, self._free_settings(), self._is_ours)
        self.engine = engines.make_engine(path, self._connect_guarded)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.trusted = engines.make_engine(path, self.connect) if policy.is_sandbox else self.engine
        self._own = error_translation.translate_driver_errors(self.trusted, path)

    @classmethod
    def open(
        cls,
        path: Path | None,
        options: OpenOptions,
        *,
        make_policy: PolicyFactory = lambda _: TrustedSql(),
        folder: EphemeralFolder | None = None,
    ) -> Self:
        """Open a database.

        Args:
            path: The file, created with the folders above it where there is none; None for memory.
            options: How to open it.
            make_policy: Makes what decides about the SQL of users.
            folder: A folder to remove on closing.

        Raises:
            DatabaseFileError: The file cannot be opened; the subclass says why.
            SchemaVersionError: Another version of the library made it.
        """
        is_new = path is None or not paths.exists(path)
        if path is not None and is_new and options.read_only:
            raise DatabaseNotFoundError(path)
        with ExitStack() as undo:
            with permissions.folder_of(path) if path is not None and is_new else nullcontext():
                opened = opener.open_database(
                    path,
                    read_only=options.read_only,
                    config=options.config,
                    key=options.key,
                    lock_timeout=options.lock_timeout,
                )
            connections = Connections(opened)
            undo.callback(connections.close, folder)
            policy = make_policy(opened)
            undo.callback(policy.close)
            database = cls(path, options, opened, connections, policy, folder)
            undo.pop_all()
            undo.callback(database.close)
            database._prepare_schema(is_new=is_new)
            undo.pop_all()
        return database

    def _free_settings(self) -> Collection[str]:
        """Return the settings that a load may change."""
        # In memory, a limit would be one for the rows themselves, and there is no WAL.
        if self.path is None or "lock_configuration" in self._options.config:
            return ()
        return {"memory_limit", *WITHOUT_LOG} - self._options.config.keys()

    def _prepare_schema(self, *, is_new: bool) -> None:
        """Make our own tables in a new database, and check or upgrade them in any other."""
        path = self.path
        if self._options.migrate and not is_new and path is not None:
            self._migrate(path)
        with self._own.begin() as connection:
            if is_new:
                versions.ensure(connection)
            elif path is not None:
                self._lacks_schema = versions.check(connection, path).state == "absent"

    def _migrate(self, path: Path) -> None:
        with self._own.begin() as connection:
            if versions.version_of(connection).state not in ("older", "unversioned"):
                return
            from mixpanel_data.schema import alembic_runner

            alembic_runner.upgrade(connection, path)
        engines.checkpoint(self.trusted)

    def close(self) -> None:
        """Close every connection and release the file; closing twice is fine.

        What other threads are doing on a connection fails.
        """
        try:
            with defer_keyboard_interrupt():  # it is closed as a whole, its folder included
                self.policy.close()
                self._closing()
        except duckdb.Error as error:
            raise error_translation.translated(error, self.path, "") from error

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
        if os.getpid() != self._connections.pid:
            raise StorageForkedError(self._connections.pid)

    def require_no_worker(self, what: str) -> None:
        """Raise where workers run the SQL of others, for what cannot come from one.

        Raises:
            SandboxError: They do.
        """
        self.require_open()
        if self.policy.has_workers:
            advice = "execute_df(), execute_rows() and execute_scalar() ask a worker."
            raise SandboxError(f"{what}, which no worker can give", "", advice)

    def _starting(self) -> None:
        self.require_open()
        self._opened.keep_private()

    def connect(self) -> driver.Connection:
        """Return a new connection of the dialect to the database."""
        self.require_open()
        return self._connections.new(self._starting)

    def _connect_guarded(self) -> driver.Connection:
        connection = self.connect()
        connection.statement_guard = self.policy.guard(connection.driver)
        return connection

    @contextmanager
    def prefixing(self, connection: Connection, prefix: str) -> Iterator[None]:
        """Put SQL of ours before every statement of a connection, in the block.

        In a sandbox the statement is judged and limited as always.
        """
        lent: Any = connection.connection.dbapi_connection
        lent.statement_guard = self.policy.prefixing_guard(prefix, lent.driver)
        try:
            yield
        finally:
            lent.statement_guard = None

    def autocommit_connection(self) -> Connection:
        """Return a connection, to be closed, on which every statement commits by itself."""
        self.require_open()
        try:
            return self._autocommit.connect()
        except DBAPIError as error:
            self.require_open()  # closed by another thread meanwhile
            if not isinstance(error.orig, duckdb.Error):
                raise
            raise error_translation.translated(error.orig, self.path, "") from error.orig

    def catalog_connection(self) -> Connection:
        """Return a connection, to be closed, for reading the catalog and our own tables.

        What its driver raises is one of our errors.
        """
        self.require_open()
        return self._own.connect()

    @contextmanager
    def write_transaction(self, table_name: str) -> Iterator[Connection]:
        """Lend a connection with a transaction that commits at the end of the block.

        Writers of one table take turns, writers of different tables do not wait for each other.
        What its driver raises is one of our errors.

        Args:
            table_name: The table that is to change.

        Raises:
            DatabaseReadOnlyError: The database was opened read-only.
            DatabaseMovedError: The file is not in its place, before or at the end.
            StorageClosedError: It was closed, before or meanwhile.
        """
        self.require_open()
        if self.read_only and self.path is not None:
            raise DatabaseReadOnlyError(self.path)
        with self._table_locks[table_name.lower()]:
            try:
                self._require_in_place()
                with self._own.begin() as connection:
                    yield connection
                    self._require_in_place()
            except (MixpanelDataError, duckdb.Error) as error:
                if self.is_open:
                    raise
                raise StorageClosedError from error

    def _require_in_place(self) -> None:
        """Raise when what would be written goes into a file that nobody will ever find."""
        if self.path is not None:
            try:
                in_place = os.path.samestat(self._file.stat(), self._opened_file)
            except FileNotFoundError:
                in_place = False
            if not in_place:
                raise DatabaseMovedError(self.path)

    def backup(self, target: Path, *, overwrite: bool) -> Path:
        """Copy the database to a file, as :func:`mixpanel_data.database.backup.copy_database` does.

        Raises:
            SandboxError: The database is in memory, where SQL would have to write a file.
        """
        self.require_open()
        if self.path is None and self.policy.is_sandbox:
            raise SandboxError("copying a database in memory to a file", "")
        return backup.copy_database(
            self._own, target, read_only=self.read_only, key=self._options.key, overwrite=overwrite
        )

    @contextmanager
    def ddl_transaction(self, table_name: str) -> Iterator[Connection]:
        """Do as :meth:`write_transaction` does, with the internal tables there.

        Where they are not, the transaction makes them, and others that would wait for its end.
        """
        with self._schema_lock if self._lacks_schema else nullcontext():
            with self.write_transaction(table_name) as connection:
                versions.ensure(connection)
                yield connection
            self._lacks_schema = False

    def load_budget(self) -> AbstractContextManager[None]:
        """Keep DuckDB's memory low in the block, and as it was afterwards.

        DuckDB lets its buffers grow to 80 % of the machine's memory. Rows that stream by gain
        nothing from that: they are written once. A limit that somebody set in SQL, before or
        meanwhile, is left alone.
        """
        limit = self._options.load_memory_limit
        return self._settings.holding({} if limit is None else {"memory_limit": limit})

    def resources(self) -> Resources:
        """Return what the database may take of the machine."""
        return Resources(*self._ask(RESOURCES)[0])

    def without_log(self) -> AbstractContextManager[None]:
        """Return a context in which commits write into the file at once.

        Of a new key DuckDB would write the whole index into the log, and into the file later. It
        takes two or three times the memory of the index for that.
        """
        return self._settings.holding(WITHOUT_LOG)

    def _is_ours(self) -> bool:
        return self.is_open and os.getpid() == self._connections.pid

    def _ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            with closing(self.connect()) as connection:
                cursor = connection.cursor()
                cursor.execute(statement, parameters)
                return cursor.fetchall()
        except duckdb.Error as error:
            raise error_translation.translated(error, self.path, statement) from error
