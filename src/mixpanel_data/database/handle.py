"""The owner of a database: opens, guards, locks and closes it."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from mixpanel_data.common import open_files
from mixpanel_data.common.signals import defer_keyboard_interrupt
from mixpanel_data.database import backup, driver_failures, engines, error_translation
from mixpanel_data.database.connection_registry import Connections
from mixpanel_data.database.ephemeral import EphemeralFolder
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.paths import MEMORY
from mixpanel_data.database.settings import RESOURCES, WITHOUT_WAL, Resources, TemporarySettings
from mixpanel_data.database.statement_policy import PolicyFactory, StatementPolicy, TrustedSql
from mixpanel_data.database.targets import Opened, Target
from mixpanel_data.exceptions import (
    CompactionError,
    DatabaseInUseError,
    DatabaseReadOnlyError,
    DiskFullError,
    LakeError,
    MixpanelDataError,
    QueryError,
    SandboxError,
    StorageClosedError,
    StorageForkedError,
)
from mixpanel_data.lake.definition import Lake
from mixpanel_data.schema import fences, lake_layout, versions
from mixpanel_data.types import CompactionResult

#: The databases that are attached to this one.
_ATTACHED = """
    SELECT database_name FROM system.main.duckdb_databases()
    WHERE NOT internal AND database_name <> system.main.current_database()
"""

#: What decides which versions of DuckDB can read the file, and the size of its blocks.
_FORMAT = """
    SELECT tags, block_size
    FROM system.main.duckdb_databases() JOIN system.main.pragma_database_size()
        USING (database_name)
    WHERE database_name = system.main.current_database()
"""

#: Settings under which no other file can be opened.
_CONFINING = {
    *("access_mode", "allowed_directories", "allowed_paths", "enable_external_access"),
    "lock_configuration",
}

_OTHERS = "another engine or connection of this process has it open, too. Close that."

_KEPT_OPEN = (
    "a connection of duckdb.connect(), or a result that was not read to its end, keeps it open. "
    "This engine is closed now. Let go of the other one, and open a new engine."
)

if TYPE_CHECKING:
    from typing_extensions import Self

    from mixpanel_data.dialect.driver import connection as driver


class Database:
    """An open database, its SQLAlchemy engine and the locks of its writers.

    Made by :meth:`open`.

    Attributes:
        path: The file, None for other kinds.
        place: The file or the lake, None in memory.
        name: What messages call the database.
        is_shared: Whether other machines may write to it at the same time.
        read_only: True when it was opened read-only.
        policy: What users' SQL may do.
        connection: A DuckDB connection for the user, without a sandbox.
        engine: The SQLAlchemy engine.
        trusted: The same without a sandbox, for statements that the library runs for the caller.
        models: The mapped classes of its tables, by what they were made from.
        models_lock: Held while one is made.
    """

    def __init__(
        self,
        target: Target,
        options: OpenOptions,
        opened: Opened,
        connections: Connections,
        policy: StatementPolicy,
        folder: EphemeralFolder | None,
        make_policy: PolicyFactory,
    ) -> None:
        self.path, self.place, self.name = target.path, target.place, target.name
        self.is_shared = target.is_shared
        self.read_only = options.read_only
        self._target = target
        self._options = options
        self._folder = folder
        self._make_policy = make_policy
        self.models: dict[Hashable, type[Any]] = {}
        self.models_lock = threading.Lock()
        self._replacing = threading.RLock()
        self._schema_lock = threading.RLock()
        self._table_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._lacks_schema = False
        self._use(opened, connections, policy)
        self._settings = TemporarySettings(self._ask, self._free_settings(), self._is_ours)
        self.engine = engines.make_engine(target.url, self._connect_guarded)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.trusted = (
            engines.make_engine(target.url, self.connect) if policy.is_sandbox else self.engine
        )
        self._own = error_translation.translate_driver_errors(self.trusted, target.place)

    @classmethod
    def open(
        cls,
        target: Target,
        options: OpenOptions,
        *,
        make_policy: PolicyFactory = lambda _: TrustedSql(),
        folder: EphemeralFolder | None = None,
    ) -> Self:
        """Open a database.

        Args:
            target: The database, which is created if it does not exist.
            options: How to open it.
            make_policy: Makes the policy for users' SQL.
            folder: A folder to remove on closing.

        Raises:
            DatabaseFileError: The file cannot be opened; the subclass says why.
            LakeError: The lake cannot be opened; the subclass says why.
            SchemaVersionError: Another version of the library made it.
        """
        with ExitStack() as undo:
            opened = target.open(options, folder)
            connections = Connections(opened.database)
            undo.callback(connections.close, folder)
            policy = make_policy(opened.database)
            undo.callback(policy.close)
            database = cls(target, options, opened, connections, policy, folder, make_policy)
            undo.pop_all()
            undo.callback(database.close)
            database._prepare_schema(is_new=opened.is_new)
            undo.pop_all()
        return database

    def _use(self, opened: Opened, connections: Connections, policy: StatementPolicy) -> None:
        self._opened, self._guard, _ = opened
        self._connections = connections
        self._closing = weakref.finalize(self, connections.close, self._folder)
        self.policy = policy
        if self.path is not None:
            self._file = self.path.resolve()
        self.connection = connections.raw()

    def _free_settings(self) -> Collection[str]:
        """Return the settings that a load may change."""
        if "lock_configuration" in self._options.config:
            return ()
        return set(self._target.settings) - self._options.config.keys()

    def _prepare_schema(self, *, is_new: bool) -> None:
        """Create the internal tables in a new database; check or upgrade those of any other."""
        if is_new:
            with self.alone(), self._own.begin() as connection:
                versions.ensure(connection)
                fences.create_schema(connection)
        elif self.place is not None:
            if self._options.migrate:
                self._migrate()
            with self._own.begin() as connection:
                self._lacks_schema = versions.check(connection, self.name).state == "absent"

    def _migrate(self) -> None:
        with self.alone(), self._own.begin() as connection:
            if versions.version_of(connection).state not in ("older", "unversioned"):
                return
            from mixpanel_data.schema import alembic_runner

            alembic_runner.upgrade(connection, self.name)
        engines.checkpoint(self.trusted)

    def close(self) -> None:
        """Close every connection and release the file; closing twice is fine.

        Statements that run in other threads fail.
        """
        try:
            with self._waiting(), defer_keyboard_interrupt():  # so that it also removes the folder
                self.policy.close()
                self._closing()
        except duckdb.Error as error:
            raise driver_failures.translated(error, self.place, "") from error

    def _waiting(self) -> AbstractContextManager[object]:
        """Return a context that is entered when no other thread is compacting the file."""
        # In a forked child, nobody would ever release the lock.
        return self._replacing if os.getpid() == self._connections.pid else nullcontext()

    @property
    def is_open(self) -> bool:
        """False once the database was closed."""
        return self._closing.alive

    def require_open(self) -> None:
        """Raise unless the database is open and was opened by this process.

        Raises:
            StorageClosedError: It was closed.
            StorageForkedError: The parent of this process opened it.
        """
        with self._waiting():
            self._require_open_now()

    def _require_open_now(self) -> None:
        if not self.is_open:
            raise StorageClosedError
        if os.getpid() != self._connections.pid:
            raise StorageForkedError(self._connections.pid)

    def require_no_worker(self, what: str) -> None:
        """Raise if SQL runs in workers, for a result that no worker can return.

        Raises:
            SandboxError: It does.
        """
        self.require_open()
        if self.policy.has_workers:
            advice = "execute_df(), execute_rows() and execute_scalar() ask a worker."
            raise SandboxError(f"{what}, which no worker can give", "", advice)

    def _starting(self) -> None:
        # Without waiting for whoever closes or compacts: they wait for this statement.
        self._require_open_now()
        self._opened.keep_private()

    def connect(self) -> driver.Connection:
        """Return a new connection of the dialect to the database."""
        with self._waiting():
            self.require_open()
            return self._connections.new(self._starting)

    def _connect_guarded(self) -> driver.Connection:
        connection = self.connect()
        connection.statement_guard = self.policy.guard(connection.driver)
        return connection

    @contextmanager
    def prefixing(self, connection: Connection, prefix: str) -> Iterator[None]:
        """Put trusted SQL before every statement of a connection, in the block.

        In a sandbox the statement is checked and limited as always.
        """
        lent: Any = connection.connection.dbapi_connection
        lent.statement_guard = self.policy.prefixing_guard(prefix, lent.driver)
        try:
            yield
        finally:
            lent.statement_guard = None

    @contextmanager
    def reading_first(self, connection: Connection, most_rows: int) -> Iterator[None]:
        """Announce that only so many rows of each result will be read, in the block."""
        lent: Any = connection.connection.dbapi_connection
        guard = lent.statement_guard
        lent.statement_guard = self.policy.guard(lent.driver, most_rows)
        try:
            yield
        finally:
            lent.statement_guard = guard

    def autocommit_connection(self) -> Connection:
        """Return a connection in autocommit mode, to be closed by the caller."""
        self.require_open()
        try:
            return self._autocommit.connect()
        except DBAPIError as error:
            self.require_open()  # closed by another thread meanwhile
            if not isinstance(error.orig, duckdb.Error):
                raise
            raise driver_failures.translated(error.orig, self.place, "") from error.orig

    def catalog_connection(self) -> Connection:
        """Return a connection to read the catalog and internal tables, to be closed by the caller.

        It raises errors of this library for the driver's.
        """
        self.require_open()
        return self._own.connect()

    @contextmanager
    def write_transaction(
        self, table_name: str, *, adds_rows: bool = False, connection: Connection | None = None
    ) -> Iterator[Connection]:
        """Provide a connection with a transaction that commits at the end of the block.

        Writers of one table take turns, writers of different tables do not wait for each other.
        In a lake that is so for those that only add rows; others wait until they are alone.
        The connection raises errors of this library for the driver's.

        Args:
            table_name: The table to change, empty for several.
            adds_rows: Nothing but rows are added to the table, or it is created.
            connection: The connection to use, one of :meth:`catalog_connection` without a
                transaction; None for a new one.

        Raises:
            DatabaseReadOnlyError: The database was opened read-only.
            DatabaseMovedError: The file was moved or replaced, before or during the block.
            TableLockedError: Another loader has the lock of a lake or its table.
            WriteConflictError: Somebody else has changed a table of the lake.
            StorageClosedError: It was closed, before or during the block.
        """
        self.require_open()
        self.require_writable()
        with self._table_locks[table_name.lower()]:
            try:
                with self._guard.writing(table_name, adds_rows=adds_rows) as confirm:
                    begun = self._own.begin() if connection is None else _begun(connection)
                    with begun as connection:
                        yield connection
                        confirm(connection)
            except (MixpanelDataError, duckdb.Error) as error:
                if self.is_open:
                    raise
                raise StorageClosedError from error

    def alone(self) -> AbstractContextManager[object]:
        """Return a context in which nobody else writes to a lake."""
        return self._guard.writing("", adds_rows=False)

    def beside_no_load(self, table_name: str) -> AbstractContextManager[object]:
        """Return a context in which nobody else adds rows to a table of a lake."""
        return self._guard.writing(table_name, adds_rows=True)

    def own_autocommit(self) -> Connection:
        """Return a connection in autocommit mode that raises errors of this library."""
        self.require_open()
        return self._own.execution_options(isolation_level="AUTOCOMMIT").connect()

    def require_writable(self) -> None:
        """Raise if the database was opened read-only.

        Raises:
            DatabaseReadOnlyError: It was.
        """
        if self.read_only and self.place is not None:
            raise DatabaseReadOnlyError(self.name)

    def backup(self, target: Path, *, overwrite: bool) -> Path:
        """Copy the database to a file, as :func:`mixpanel_data.database.backup.copy_database` does.

        Raises:
            SandboxError: The database is in memory, so SQL would have to write the file.
        """
        self.require_open()
        if self.is_shared:
            raise LakeError(
                str(self.name),
                "has no file to copy. Snapshots keep what was; export() and copy_table() copy "
                "tables into files.",
            )
        if self.path is None and self.policy.is_sandbox:
            raise SandboxError("copying a database in memory to a file", "")
        return backup.copy_database(
            self._own, target, read_only=self.read_only, key=self._options.key, overwrite=overwrite
        )

    def compact(self) -> CompactionResult:
        """Write the file anew, without what was deleted, and put it in the place of the old one.

        Meanwhile the database is closed, and other threads wait. :attr:`connection` is a new one
        afterwards.

        Raises:
            CompactionError: There is no file, or DuckDB cannot copy something in it.
            DatabaseInUseError: Something of this process uses it.
            DatabaseFileError: It cannot be closed, copied or opened again.
        """
        from mixpanel_data.database import compaction

        self.require_open()
        if self.is_shared:
            raise LakeError(
                str(self.name),
                "has no file of its own to compact. maintain() deletes what nobody needs.",
            )
        if self.path is None:
            problem = "it is in memory. backup(path) writes what is in it to a file."
            raise CompactionError(Path(MEMORY), problem)
        if self.read_only:
            raise DatabaseReadOnlyError(self.path)
        with self._replacing, ExitStack() as leases:
            self.require_open()
            with self._guard.writing("", adds_rows=False):
                pass  # raises where the file is not the one that was opened
            compaction.require_own_name(self._file)
            lease = open_files.Lease(str(self._file), read_only=False)
            leases.callback(lease.release)
            try:
                self._require_unused(lease)
            except DiskFullError:  # after which DuckDB refuses to go on
                with self._closed(lease):
                    raise
            before = self._file.stat().st_size
            options = self._settings_of_copy()
            with self._closed(lease):
                new = compaction.rewrite(self._file, key=self._options.key, config=options)
                leases.callback(new.release)
            return CompactionResult(before, self._file.stat().st_size)

    def _require_unused(self, lease: open_files.Lease) -> None:
        """Write everything into the file, and raise if something would be lost by closing it."""
        path = self._file
        if lease.others > 1:
            raise DatabaseInUseError(path, _OTHERS)
        if self._connections.count_open():
            gc.collect()  # results that nobody refers to any more
        if count := self._connections.count_open():
            raise DatabaseInUseError(
                path,
                f"{count} of its connections are open. Close its sessions and the connections of "
                "its SQLAlchemy engine.",
            )
        if attached := [name for (name,) in self._ask(_ATTACHED)]:
            raise DatabaseInUseError(path, f"{', '.join(attached)} is attached to it. DETACH it.")
        try:
            self._ask("CHECKPOINT")
        except QueryError as error:
            if not isinstance(error.__cause__, duckdb.TransactionException):
                raise
            raise DatabaseInUseError(path, f"{error.message}. Commit or roll back.") from error

    def _settings_of_copy(self) -> dict[str, Any]:
        """Return DuckDB's settings for a database in the format and within the limits of this."""
        ((tags, block_size),) = self._ask(_FORMAT)
        version = tags.get("storage_version", "").rstrip("+")
        resources = self.resources()
        form = {"default_block_size": block_size, "storage_compatibility_version": version}
        return {
            **{k: v for k, v in self._options.config.items() if k.lower() not in _CONFINING},
            **{name: value for name, value in form.items() if value},
            "threads": resources.threads,
            "memory_limit": f"{resources.memory}B",
        }

    @contextmanager
    def _closed(self, lease: open_files.Lease) -> Iterator[None]:
        """Close the database in the block, and open it again.

        Raises:
            DatabaseInUseError: Something else of this process keeps it open. DuckDB 1.5 would wait
                for the end of that when the file is opened again, so it stays closed.
        """
        is_closed = False
        try:
            with defer_keyboard_interrupt():
                self._closing.detach()
                self.policy.close()
                self._connections.close(None)
                is_closed = lease.is_only_use()
            if not is_closed:
                raise DatabaseInUseError(self._file, _KEPT_OPEN)
            yield
        finally:
            if is_closed:
                with defer_keyboard_interrupt():
                    self._open_again()
            elif self._folder is not None:
                self._folder.remove()

    def _open_again(self) -> None:
        with ExitStack() as undo:
            if self._folder is not None:
                undo.callback(self._folder.remove)
            opened = self._target.open(self._options, self._folder)
            undo.callback(opened.database.close)
            policy = self._make_policy(opened.database)
            undo.pop_all()
        self._use(opened, Connections(opened.database), policy)

    @contextmanager
    def ddl_transaction(
        self, table_name: str, *, adds_rows: bool = False, connection: Connection | None = None
    ) -> Iterator[Connection]:
        """Like :meth:`write_transaction`, and create the internal tables if they are missing.

        While one transaction creates them, others that need them wait.
        """
        with self._schema_lock if self._lacks_schema else nullcontext():
            alone = self._lacks_schema
            with self.write_transaction(
                table_name, adds_rows=adds_rows and not alone, connection=connection
            ) as connection:
                versions.ensure(connection)
                if alone:
                    fences.create_schema(connection)
                yield connection
            self._lacks_schema = False

    @property
    def unencrypted_path(self) -> Path | None:
        """The file, None in memory or where it is encrypted."""
        return None if self._options.key else self.path

    def lay_out(self, connection: Connection, table: Table) -> None:
        """Say how the files of a new table of a lake are laid out; others have one file."""
        if isinstance(self.place, Lake):
            lake_layout.lay_out(connection, table, self.place.partition_by)

    def load_budget(self) -> AbstractContextManager[None]:
        """Lower DuckDB's ``memory_limit`` in the block.

        DuckDB lets its buffers grow to 80 % of the machine's memory. A load gains nothing from
        that, because it writes its rows once. A limit that was set in SQL, before or during the
        block, is kept.
        """
        limit = self._options.load_limit(self.resources().threads)
        return self._settings.holding({} if limit is None else {"memory_limit": limit})

    def resources(self) -> Resources:
        """Return how many threads and how much memory the database may use."""
        return Resources(*self._ask(RESOURCES)[0])

    def without_wal(self) -> AbstractContextManager[None]:
        """Return a context in which commits bypass the WAL and write into the file.

        DuckDB would write the whole index of a new key into the WAL, and later into the file,
        which takes two or three times the memory of the index.
        """
        return self._settings.holding(WITHOUT_WAL)

    def _is_ours(self) -> bool:
        return self.is_open and os.getpid() == self._connections.pid

    def _ask(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        try:
            with closing(self.connect()) as connection:
                cursor = connection.cursor()
                cursor.execute(statement, parameters)
                return cursor.fetchall()
        except duckdb.Error as error:
            raise driver_failures.translated(error, self.place, statement) from error


@contextmanager
def _begun(connection: Connection) -> Iterator[Connection]:
    with connection.begin():
        yield connection
