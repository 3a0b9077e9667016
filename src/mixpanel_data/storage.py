"""``StorageEngine``: the one object that opens, fills, guards, inspects and queries a database."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import duckdb
from sqlalchemy import Engine, Table, select

from mixpanel_data.common.names import check_project_id, check_table_name
from mixpanel_data.database import paths
from mixpanel_data.database.ephemeral import EphemeralFolder, creation_guard
from mixpanel_data.database.handle import Database
from mixpanel_data.database.instance import Instance
from mixpanel_data.database.options import DEFAULT_LOAD_MEMORY_LIMIT, OpenOptions
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.policy import sandbox_factory, with_sandbox_settings
from mixpanel_data.database.targets import FileTarget, LakeTarget, MemoryTarget, Target
from mixpanel_data.dialect.lake.definition import S3, Lake, refuse_motherduck
from mixpanel_data.exceptions import (
    DatabaseFileError,
    DatabaseNotFoundError,
    SandboxError,
    TableExistsError,
)
from mixpanel_data.ingest.deletion_methods import DeletionMethods
from mixpanel_data.ingest.export_methods import ExportMethods
from mixpanel_data.ingest.lake_methods import LakeMethods
from mixpanel_data.ingest.methods import LoadMethods
from mixpanel_data.ingest.property_methods import PropertyMethods
from mixpanel_data.ingest.stored_rows import StoredRows
from mixpanel_data.ingest.table_methods import TableMethods
from mixpanel_data.query.exploration_methods import ExplorationMethods
from mixpanel_data.query.methods import QueryMethods
from mixpanel_data.schema import catalog, property_columns, versions
from mixpanel_data.schema.tables import managed_table
from mixpanel_data.types import LoadResult, Secret

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from typing_extensions import Self

#: What users import: the engine, and what it is opened with.
__all__ = ["DEFAULT_FOLDER", "S3", "Lake", "Sandbox", "StorageEngine"]

DEFAULT_FOLDER = ".mixpanel_data"

#: The URL of a lake, told from the path of a file.
_LAKE_URL = re.compile(r"duckdb(?:\+\w+)?://.*[?&]lake=")

_Given = TypeVar("_Given")

#: Rows of a batch of a table that is copied.
BATCH_SIZE = 65_536

#: What to do where a table is to be copied to and another has its name.
_TAKEN = (
    "Nothing was copied. Give the copy another name with new_name=, or drop the table there first."
)


class StorageEngine(
    LoadMethods,
    ExportMethods,
    TableMethods,
    DeletionMethods,
    PropertyMethods,
    LakeMethods,
    QueryMethods,
    ExplorationMethods,
):
    """Mixpanel events and profiles in a DuckDB database.

    Every load is one transaction. Any number of tables live in one database. One engine serves many
    threads; it belongs to the process that opened it.

    Args:
        path: The database file. Created, with the folders above it, where there is none. Or a
            :class:`Lake`, or the URL of one.
        project_id: Without a path: open ``~/.mixpanel_data/{project_id}.db``.
        read_only: Open an existing file without the right to write. Several processes can do so
            at once.
        config: DuckDB's settings, such as ``{"memory_limit": "1GB", "threads": 2}``.
        load_memory_limit: What DuckDB's buffers may grow to while rows stream in, such as
            ``"500MB"``; queries that run meanwhile share it. Afterwards they may grow as before.
            A ``memory_limit`` of your own, in ``config`` or set in SQL, is respected instead;
            None sets no limit.
        migrate: Upgrade a file of an older version of the library, or of the original one, before
            anything else; see :mod:`mixpanel_data.migrate`. Otherwise such a file is refused.
        sandbox: For SQL that you do not trust, such as that of an AI agent: True, or a
            :class:`Sandbox` with limits of your own. SQL can reach neither files nor the network
            nor settings, and is stopped when it takes too long; see ``docs/security.md``.
        lock_timeout: Seconds to wait, asking again and again, while another process has the file
            open. By default that is an error at once. In a lake, how long a writer waits for the
            lock of a table, by default ten minutes.
        encryption_key: The key of a file that is encrypted. A new file gets encrypted with it,
            everything that DuckDB writes beside it as well. It is kept while the engine is open,
            for backups and workers, and without it nobody can read the file. Needs the extra
            ``encryption``; see ``docs/security.md``.

    Raises:
        ValueError: Neither path nor project id, or an id that cannot be a file's name; or
            ``migrate`` with ``read_only``; or ``config`` with a setting of the sandbox;
            or a negative ``lock_timeout``; or an empty key; or ``Sandbox(worker=True)`` without
            ``read_only`` or elsewhere than on Linux.
        TypeError: An argument is of another kind.
        SettingsError: DuckDB refuses a setting of ``config``. It is a ``ValueError``.
        DatabaseNotFoundError: ``read_only``, and there is no file.
        DatabaseLockedError: Another process has the file open, still after ``lock_timeout``.
        EncryptionKeyError: The file is encrypted and the key is missing or wrong, or it is not
            and there is one.
        EncryptionUnavailableError: DuckDB lacks what it needs to encrypt.
        DatabaseFileError: The file or its folder cannot be used for another reason.
        LakeError: The lake cannot be used; the subclass says why.
        LakeExtensionError: DuckDB lacks the extensions for lakes.
        SchemaVersionError: The file was made by another version of the library.

    Example:
        >>> from datetime import datetime
        >>> from mixpanel_data import StorageEngine, TableMetadata
        >>> with StorageEngine("events.db") as storage:
        ...     event = {
        ...         "event_name": "Sign Up",
        ...         "event_time": datetime(2025, 1, 1),
        ...         "distinct_id": "user-1",
        ...         "insert_id": "a1",
        ...         "properties": {"$browser": "Firefox"},
        ...     }
        ...     metadata = TableMetadata(type="events", fetched_at=datetime(2025, 2, 1))
        ...     storage.create_events_table("events_jan", [event], metadata)
        1
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | Lake | None = None,
        *,
        project_id: str | int | None = None,
        read_only: bool = False,
        config: Mapping[str, Any] | None = None,
        load_memory_limit: str | None = DEFAULT_LOAD_MEMORY_LIMIT,
        migrate: bool = False,
        sandbox: bool | Sandbox = False,
        lock_timeout: float | None = None,
        encryption_key: str | Secret | None = None,
    ) -> None:
        encryption_key = Secret.of(encryption_key)
        options = OpenOptions(
            read_only=read_only,
            config={} if config is None else config,
            load_memory_limit=load_memory_limit,
            migrate=migrate,
            lock_timeout=lock_timeout,
            key=encryption_key,
        )
        found = lake_of(path)
        if isinstance(found, Lake):
            self._database = _opened_lake(found, options, sandbox=sandbox)
        else:
            target = FileTarget(_database_path(found, project_id))
            self._database = _opened(target, options, sandbox=sandbox)

    @classmethod
    def ephemeral(
        cls, *, config: Mapping[str, Any] | None = None, sandbox: bool | Sandbox = False
    ) -> Self:
        """Open a new database in a private temporary folder.

        The folder goes on close, when the ``with`` block ends in whatever way, at interpreter exit
        and on SIGTERM and Ctrl-C. What a killed process left is removed by the next call.

        Example:
            >>> with StorageEngine.ephemeral() as storage:
            ...     storage.execute_scalar("SELECT 6 * 7")
            42
        """
        options = OpenOptions(config={} if config is None else config)
        with creation_guard():  # until the database has its folder, nobody would remove it
            folder = EphemeralFolder()
            try:
                target = FileTarget(folder.database)
                return cls._over(_opened(target, options, sandbox=sandbox, folder=folder))
            except BaseException:
                folder.remove()
                raise

    @classmethod
    def memory(
        cls, *, config: Mapping[str, Any] | None = None, sandbox: bool | Sandbox = False
    ) -> Self:
        """Open a new database that has no file. Its rows are not compressed.

        Example:
            >>> StorageEngine.memory().path is None
            True
        """
        options = OpenOptions(config={} if config is None else config)
        return cls._over(_opened(MemoryTarget(), options, sandbox=sandbox))

    @classmethod
    def open_existing(
        cls,
        path: str | os.PathLike[str] | Lake,
        *,
        read_only: bool = False,
        config: Mapping[str, Any] | None = None,
        load_memory_limit: str | None = DEFAULT_LOAD_MEMORY_LIMIT,
        migrate: bool = False,
        sandbox: bool | Sandbox = False,
        lock_timeout: float | None = None,
        encryption_key: str | Secret | None = None,
    ) -> Self:
        """Open a database file, or a lake, that must be there already; nothing is created.

        Raises:
            DatabaseNotFoundError: There is no file. It is a ``FileNotFoundError``.
            LakeNotFoundError: There is no lake. It is a ``FileNotFoundError``.
            DatabaseFileError: As when constructing.
        """
        encryption_key = Secret.of(encryption_key)
        options = OpenOptions(
            read_only=read_only,
            config={} if config is None else config,
            load_memory_limit=load_memory_limit,
            migrate=migrate,
            lock_timeout=lock_timeout,
            key=encryption_key,
            must_exist=True,
        )
        place = lake_of(path)
        if isinstance(place, Lake):
            return cls._over(_opened_lake(place, options, sandbox=sandbox))
        found = _database_path(place, None)
        if not paths.exists(found):
            raise DatabaseNotFoundError(found)
        return cls._over(_opened(FileTarget(found), options, sandbox=sandbox))

    @classmethod
    def _over(cls, database: Database) -> Self:
        self = cls.__new__(cls)
        self._database = database
        return self

    # Life cycle

    def close(self) -> None:
        """Close the database and release its file; an ephemeral one is deleted.

        Sessions, relations and connections that are still open are closed with it, and what they
        have not committed is rolled back. Closing twice is fine.
        """
        self._database.close()

    def cleanup(self) -> None:
        """Do what :meth:`close` does."""
        self.close()

    def backup(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Copy the database to a file of its own, while others go on loading and querying.

        The copy has everything that was committed before the call. It appears under its name when
        it is complete, and only its user may read it. Give it to readers while this engine writes:
        they keep the copy that they have open when a newer one takes its place.

        Args:
            path: Where the copy goes. Its folder must be there.
            overwrite: Replace a copy that is there, unless a process is writing to it.

        Returns:
            The path of the copy.

        Raises:
            DatabaseExistsError: There is a file of that name. It is a ``FileExistsError``.
            DatabaseFileError: The copy cannot be made; the subclass says why.
            SandboxError: The engine has a sandbox and its database is in memory only.

        Example:
            >>> with StorageEngine.ephemeral() as storage:
            ...     copy = storage.backup("for_readers.db")
            >>> StorageEngine(copy, read_only=True).list_tables()
            []
        """
        return self._database.backup(paths.path_of(path), overwrite=overwrite)

    def copy_table(
        self,
        name: str,
        target: StorageEngine | str | os.PathLike[str],
        *,
        new_name: str | None = None,
    ) -> LoadResult:
        """Copy an events or profiles table to another database, in one transaction there.

        Its metadata, its property columns and its primary key are those of the original, its
        documents and ids the same texts.

        Args:
            name: Name of the table, in any case.
            target: The other engine; or the path of a database, which is opened or created.
            new_name: Name of the copy, by default that of the table.

        Returns:
            The number of rows, with the other counts of a load.

        Raises:
            TableNotFoundError: There is no such table of ours.
            TableExistsError: The target has a table of that name. It is not changed.
            DatabaseFileError: The target cannot be opened or written.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage, StorageEngine.memory() as other:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "user-1", "properties": {}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     storage.copy_table("users", other)
            1
        """
        from mixpanel_data.query import execution

        if not isinstance(target, (StorageEngine, str, os.PathLike, Lake)):
            raise TypeError(f"target is {target!r:.100}. Pass another engine, or a path.")
        metadata, schema = self.get_metadata(name), self.get_schema(name)
        new_name = schema.table_name if new_name is None else new_name
        check_table_name(new_name)  # before there is a database for it
        if not isinstance(target, StorageEngine):
            with StorageEngine(target) as opened:
                return self.copy_table(name, opened, new_name=new_name)
        columns = tuple(self.property_columns(name))
        own = managed_table(metadata.type, schema.table_name)
        rows = execution.stream(
            self._database.catalog_connection(), select(own), None, BATCH_SIZE, lazy=True
        )
        create = {
            "events": target.create_events_table,
            "profiles": target.create_profiles_table,
        }[metadata.type]
        try:
            with rows:
                return create(
                    new_name,
                    StoredRows(rows),
                    metadata,
                    primary_key=any(column.primary_key for column in schema.columns),
                    property_columns=columns,
                )
        except TableExistsError as error:
            raise TableExistsError(error.table_name, _TAKEN) from error.__cause__

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the engine."""
        self.close()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "A StorageEngine cannot be pickled or copied: it is open in this process. Hand over "
            "what opens it, its path or a function, and open it in the other process; several can "
            "do so at once with read_only=True."
        )

    def __repr__(self) -> str:
        """Tell the file and the state, nothing of the contents."""
        database: Database | None = vars(self).get("_database")
        if database is None:  # as debuggers see it when opening has failed
            return "<StorageEngine (not open)>"
        state = "" if database.is_open else " (closed)"
        name = "in memory" if database.name == paths.MEMORY else database.name
        return f"<StorageEngine {name}{state}>"

    @property
    def path(self) -> Path | None:
        """The database file, None in memory."""
        return self._database.path

    @property
    def read_only(self) -> bool:
        """True when the engine was opened without the right to write."""
        return self._database.read_only

    @property
    def schema_revision(self) -> str | None:
        """The revision of the schema; None in a database without any table of ours."""
        with self._database.catalog_connection() as connection:
            return versions.version_of(connection).revision

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection for everything the engine has no method for.

        It is always the same one, with a transaction of its own; closing it closes nothing else.

        Raises:
            SandboxError: The engine has a sandbox, which such a connection would get around.
        """
        self._database.require_open()
        if self._database.policy.is_sandbox:
            raise SandboxError("DuckDB's own connection", "")
        return self._database.connection

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine. Its connections see what this object has committed.

        Raises:
            SandboxError: The SQL of others runs in a worker.
        """
        self._database.require_no_worker("a SQLAlchemy engine")
        return self._database.engine

    def session(self) -> Session:
        """Return a new SQLAlchemy session; the caller commits and closes it.

        Raises:
            SandboxError: The SQL of others runs in a worker.

        Example:
            >>> from sqlalchemy import text
            >>> with StorageEngine.memory() as storage, storage.session() as session:
            ...     session.scalar(text("SELECT 6 * 7"))
            42
        """
        from sqlalchemy.orm import Session

        return Session(self.engine)

    def model(self, name: str) -> type[Any]:
        """Return a mapped class for an events or profiles table, to use in sessions.

        It is made with :class:`EventMixin` or :class:`ProfileMixin`. This engine has the same class
        until the table gets or loses a property column; another engine has its own. Property
        columns are attributes by the names of the columns.

        Args:
            name: Name of the table, in any case.

        Raises:
            TableNotFoundError: There is no such table of ours.
            SandboxError: The SQL of others runs in a worker.

        Example:
            >>> from datetime import datetime
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "user-1", "properties": {"$city": "Zürich"}}]
            ...     _ = storage.create_profiles_table("users", profiles, metadata)
            ...     User = storage.model("users")
            ...     with storage.session() as session:
            ...         session.get(User, "user-1").properties["$city"]
            'Zürich'
        """
        from mixpanel_data.schema import models

        self._database.require_no_worker("mapped classes")
        with self._database.catalog_connection() as connection:
            found = catalog.find_metadata(connection, name)
            columns = property_columns.find(connection, found.table_name)
        key = found.type, found.table_name, columns
        with self._database.models_lock:
            if key not in self._database.models:
                self._database.models[key] = models.model(*key)
            return self._database.models[key]

    def table(self, name: str) -> Table:
        """Return an events or profiles table for SQLAlchemy Core, with its property columns.

        Args:
            name: Name of the table, in any case.

        Raises:
            TableNotFoundError: There is no such table of ours.

        Example:
            >>> from datetime import datetime
            >>> from sqlalchemy import select
            >>> from mixpanel_data import StorageEngine, TableMetadata
            >>> with StorageEngine.memory() as storage:
            ...     metadata = TableMetadata("profiles", fetched_at=datetime(2025, 2, 1))
            ...     profiles = [{"distinct_id": "user-1", "properties": {"$city": "Zürich"}}]
            ...     _ = storage.create_profiles_table(
            ...         "users", profiles, metadata, property_columns=["$city"]
            ...     )
            ...     storage.execute_scalar(select(storage.table("users").c["$city"]))
            'Zürich'
        """
        with self._database.catalog_connection() as connection:
            found = catalog.find_metadata(connection, name)
            columns = property_columns.find(connection, found.table_name)
        return managed_table(found.type, found.table_name, property_columns=columns)


def _opened(
    target: Target,
    options: OpenOptions,
    *,
    sandbox: bool | Sandbox,
    folder: EphemeralFolder | None = None,
) -> Database:
    """Open a database, in a sandbox where one is wanted."""
    if sandbox is False:
        return Database.open(Instance(target, options, folder=folder))
    limits = Sandbox() if sandbox is True else sandbox
    if not isinstance(limits, Sandbox):
        raise TypeError(f"sandbox is {sandbox!r}. Use True, False or Sandbox(...).")
    options = replace(options, config=with_sandbox_settings(options.config, limits))
    make_policy = sandbox_factory(limits, target, options)
    instance = Instance(target, options, make_policy=make_policy, folder=folder)
    return Database.open(instance)


def _opened_lake(lake: Lake, options: OpenOptions, *, sandbox: bool | Sandbox) -> Database:
    """Open a lake, with a temporary folder for what does not fit into memory."""
    if options.key is not None:
        raise ValueError("A lake has no encryption_key. Encrypt the storage of its files.")
    if lake.as_of is not None:
        options = replace(options, read_only=True, migrate=False)
    with creation_guard():
        folder = EphemeralFolder()
        try:
            return _opened(LakeTarget(lake), options, sandbox=sandbox, folder=folder)
        except BaseException:
            folder.remove()
            raise


def lake_of(given: _Given) -> _Given | Lake:
    """Return the lake that is given as its URL; anything else as it is.

    Raises:
        ValueError: It is the URL of something that is neither a file nor a lake.
    """
    if not isinstance(given, str):
        return given
    refuse_motherduck(given)
    return Lake.from_url(given) if _LAKE_URL.match(given) else given


def _database_path(path: str | os.PathLike[str] | None, project_id: str | int | None) -> Path:
    if path is not None:
        if str(path) == ":memory:":
            raise ValueError("':memory:' is no path. Use StorageEngine.memory().")
        return paths.path_of(path)
    if project_id is None:
        raise ValueError(
            "StorageEngine needs to know where. Give a path or a project_id, or use "
            "StorageEngine.ephemeral() for a temporary database."
        )
    found = Path.home() / DEFAULT_FOLDER / f"{check_project_id(project_id)}.db"
    paths.exists(found)  # raises where there can be no such file
    _refuse_foreign(found)
    return found


def _refuse_foreign(path: Path) -> None:
    """Raise when a path of our own choice leads out of its folder.

    Raises:
        DatabaseFileError: It is a symbolic link to another folder.
    """
    if path.is_symlink() and path.resolve().parent != path.parent.resolve():
        raise DatabaseFileError(
            path,
            f"a symbolic link to {path.resolve()}, outside of the folder of the projects. Nothing "
            "was opened. Remove the link; to use the database it leads to, open that by its path.",
        )
