"""The owner of a database: opens, guards, locks and closes it."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

from mixpanel_data.database import backup, driver_failures, engines, error_translation
from mixpanel_data.database.instance import Instance
from mixpanel_data.database.settings import WITHOUT_WAL, Resources, TemporarySettings
from mixpanel_data.database.statement_policy import StatementPolicy
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import (
    DatabaseReadOnlyError,
    LakeError,
    MixpanelDataError,
    SandboxError,
    StorageClosedError,
)
from mixpanel_data.schema import fences, lake_layout, versions
from mixpanel_data.types import CompactionResult

if TYPE_CHECKING:
    from typing_extensions import Self

#: The setting that lets DuckDB encrypt without OpenSSL.
_ENCRYPTING = "force_mbedtls_unsafe"


class Database:
    """An open database, its SQLAlchemy engine and the locks of its writers.

    Made by :meth:`open`.

    Attributes:
        path: The file, None for other kinds.
        place: The file or the lake, None in memory.
        name: What messages call the database.
        is_shared: Whether other machines may write to it at the same time.
        read_only: True when it was opened read-only.
        engine: The SQLAlchemy engine.
        trusted: The same without a sandbox, for statements that the library runs for the caller.
        models: The mapped classes of its tables, by what they were made from.
        models_lock: Held while one is made.
    """

    def __init__(self, instance: Instance) -> None:
        target = instance.target
        self.path, self.place, self.name = target.path, target.place, target.name
        self.is_shared = target.is_shared
        self.read_only = instance.options.read_only
        self._instance, self._options = instance, instance.options
        self.models: dict[Hashable, type[Any]] = {}
        self.models_lock = threading.Lock()
        self._schema_lock = threading.RLock()
        self._table_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._lacks_schema = False
        self._settings = TemporarySettings(
            instance.ask, self._free_settings(), lambda: instance.is_usable
        )
        self.engine = engines.make_engine(target.url, instance.connect_guarded)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.trusted = (
            engines.make_engine(target.url, instance.connect)
            if self.policy.is_sandbox
            else self.engine
        )
        self._own = error_translation.translate_driver_errors(self.trusted, target.place)

    @classmethod
    def open(cls, instance: Instance) -> Self:
        """Create the internal tables in a new database, check or upgrade those of any other.

        Args:
            instance: The open database, which is closed where that fails.

        Raises:
            SchemaVersionError: Another version of the library made it.
        """
        with ExitStack() as undo:
            undo.callback(instance.close)
            database = cls(instance)
            database._prepare_schema(is_new=instance.is_new)
            undo.pop_all()
        return database

    @property
    def policy(self) -> StatementPolicy:
        """What users' SQL may do."""
        return self._instance.policy

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection for the user, without a sandbox."""
        return self._instance.raw

    def _free_settings(self) -> Collection[str]:
        """Return the settings that a load may change."""
        if "lock_configuration" in self._options.config:
            return ()
        return set(self._instance.target.settings) - self._options.config.keys()

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
        self._instance.close()

    @property
    def is_open(self) -> bool:
        """False once the database was closed."""
        return self._instance.is_open

    def require_open(self) -> None:
        """Raise unless the database is open and was opened by this process.

        Raises:
            StorageClosedError: It was closed.
            StorageForkedError: The parent of this process opened it.
        """
        self._instance.require_open()

    def require_no_worker(self, what: str) -> None:
        """Raise if SQL runs in workers, for a result that no worker can return.

        Raises:
            SandboxError: It does.
        """
        self.require_open()
        if self.policy.has_workers:
            advice = "execute_df(), execute_rows() and execute_scalar() ask a worker."
            raise SandboxError(f"{what}, which no worker can give", "", advice)

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
                with self._instance.guard.writing(table_name, adds_rows=adds_rows) as confirm:
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
        return self._instance.guard.writing("", adds_rows=False)

    def beside_no_load(self, table_name: str) -> AbstractContextManager[object]:
        """Return a context in which nobody else adds rows to a table of a lake."""
        return self._instance.guard.writing(table_name, adds_rows=True)

    def own_autocommit(self) -> Connection:
        """Return a connection in autocommit mode that raises errors of this library."""
        self.require_open()
        return self._own.connect().execution_options(isolation_level="AUTOCOMMIT")

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
        given = self._options.config.items()
        return backup.copy_database(
            self._own,
            target,
            source=self._instance.file,
            read_only=self.read_only,
            key=self._options.key,
            config={name: value for name, value in given if name.lower() == _ENCRYPTING},
            overwrite=overwrite,
        )

    def compact(self) -> CompactionResult:
        """Write the file anew, as :func:`mixpanel_data.database.compaction.compact` does."""
        from mixpanel_data.database import compaction

        return compaction.compact(self._instance)

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
        return self._instance.resources()

    def without_wal(self) -> AbstractContextManager[None]:
        """Return a context in which commits bypass the WAL and write into the file.

        DuckDB would write the whole index of a new key into the WAL, and later into the file,
        which takes two or three times the memory of the index.
        """
        return self._settings.holding(WITHOUT_WAL)


@contextmanager
def _begun(connection: Connection) -> Iterator[Connection]:
    with connection.begin():
        yield connection
