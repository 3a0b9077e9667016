"""How the dialect connects: to a file, to memory, to a lake."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from types import ModuleType
from typing import Any
from uuid import uuid4

import duckdb
import duckdb_engine
from duckdb_engine.config import apply_config, get_core_config
from sqlalchemy import event
from sqlalchemy.engine import URL, CursorResult, Engine
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.pool import Pool, QueuePool
from sqlalchemy.util import asbool

from mixpanel_data.common.lock_waits import retry_while_locked
from mixpanel_data.dialect.driver import module
from mixpanel_data.dialect.driver.errors import driver_errors, is_locked
from mixpanel_data.dialect.driver.time_zone import names_zone, set_zone, without_zone
from mixpanel_data.dialect.lake import attaching
from mixpanel_data.dialect.lake.definition import Lake, is_lake
from mixpanel_data.dialect.lake.locks import DEFAULT_TIMEOUT, Locks
from mixpanel_data.dialect.lake.opening import attach_or_create
from mixpanel_data.dialect.urls import (
    OPTIONS,
    checked_arguments,
    explained,
    require_file,
    split_options,
)


class Connecting(duckdb_engine.Dialect):
    """The part of the dialect that makes connections and engines.

    Args:
        foreign_keys: As for :class:`~mixpanel_data.dialect.base.MixpanelDialect`.
    """

    def __init__(self, foreign_keys: Any = "on", **options: Any) -> None:
        given = options.pop("dbapi", None)
        # SQLAlchemy's class for psycopg2 would compare the version of another module with its own.
        super().__init__(dbapi=module if given is not None else None, **options)
        self.dbapi = given
        self.foreign_keys = asbool(foreign_keys)
        self._memory_name = f":memory:{uuid4().hex}"
        self._memory: module.Connection | None = None
        self._attaching = threading.Lock()

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """Return the PEP 249 module of this package."""
        return module

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """Return ``QueuePool`` for files and memory: many threads can use both."""
        return QueuePool

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> Any:
        """Refuse an asynchronous engine.

        Raises:
            InvalidRequestError: Always.
        """
        raise InvalidRequestError(
            "DuckDB has no asynchronous client, so there is no asynchronous engine. Use "
            "create_engine() and Session, in asyncio.to_thread(); no run_sync() is needed then. "
            "For Alembic, its template generic instead of async."
        )

    def create_connect_args(self, url: URL) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments of :meth:`connect`, and take the dialect's own from the URL."""
        own, url = split_options(url)
        self.foreign_keys = own.pop("foreign_keys", self.foreign_keys)
        if is_lake(url):
            return [], {"lake": Lake.from_url(url)} | own
        require_file(url)
        arguments, options = super().create_connect_args(url)
        return [*arguments], options | own

    def connect(self, *args: Any, **options: Any) -> module.Connection:
        """Open a connection with duckdb-engine's ``connect_args`` and URL options.

        ``read_only``, ``foreign_keys`` and ``lock_timeout`` are those of a URL; the last one is how
        many seconds to wait while another process has the file open.

        All connections of a ``:memory:`` engine share one database, and all are in UTC unless
        ``config`` has another ``TimeZone``. No option is added to the
        caller's: DuckDB refuses to open a file twice with different options, and the application
        may already have it open.
        """
        options = checked_arguments(options)
        self.foreign_keys = options.pop("foreign_keys", self.foreign_keys)
        settings = {**options.pop("config", {}), **options.pop("url_config", {})}
        if (lake := options.pop("lake", None)) is not None:
            return self._connect_lake(lake, settings, **options)
        extensions = options.pop("preload_extensions", ())
        filesystems = options.pop("register_filesystems", ())
        timeout = options.pop("lock_timeout", 0)
        in_memory = options.get("database", ":memory:") == ":memory:"
        if in_memory:
            options["database"] = self._memory_name
        opening = without_zone(settings)
        core = {name: value for name, value in opening.items() if name in get_core_config()}
        rest = {name: value for name, value in opening.items() if name not in core}
        if in_memory and self._memory is None:
            self._memory = self._open(*args, **options, config=core)
        connection = retry_while_locked(
            lambda: self._open(*args, **options, config=core), is_locked, timeout
        )
        with ExitStack() as undo:
            undo.callback(connection.close)
            for extension in extensions:
                connection.driver.load_extension(extension)
            for filesystem in filesystems:
                connection.driver.register_filesystem(filesystem)
            with driver_errors(), _explain_names(rest):
                apply_config(self, connection.driver, rest)
                # For all, since `driver_connection.cursor()` is a connection of its own.
                set_zone(connection.driver, settings, everywhere=not names_zone(settings))
            undo.pop_all()
        return connection

    def _connect_lake(
        self,
        lake: Lake,
        settings: dict[str, Any],
        *,
        read_only: bool = False,
        lock_timeout: float = DEFAULT_TIMEOUT,
    ) -> module.Connection:
        """Open a connection to a lake, which the first one attaches to a DuckDB in memory."""
        opening = {"autoinstall_known_extensions": False, **without_zone(settings)}
        with self._attaching:
            if self._memory is None:
                first = self._open(database=self._memory_name, config=opening)
                locks = Locks(lake, lock_timeout)
                try:
                    attach_or_create(first.driver, lake, locks, read_only=read_only)
                except BaseException:
                    first.close()
                    raise
                finally:
                    locks.close()
                self._memory = first
        connection = self._open(database=self._memory_name, config=opening)
        connection.must_roll_back = True
        with ExitStack() as undo:
            undo.callback(connection.close)
            attaching.use(connection.driver, lake)
            set_zone(connection.driver, settings)
            undo.pop_all()
        return connection

    def _open(self, *args: Any, **options: Any) -> module.Connection:
        """Open a connection with the module that ``create_engine(module=…)`` was given."""
        given: Any = self.dbapi
        if given is None or given is module:
            return module.connect(*args, **options)
        return module.connect(*args, **options, opened_by=given.connect)

    def close_memory(self) -> None:
        """Close our connection to the in-memory database, which ends with its last connection."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Keep an in-memory database until ``engine.dispose()``, whatever the pool closes.

        Engines of files get no listener: with one, SQLAlchemy dispatches events at each statement.
        """
        _wrap_created(engine)
        if engine.url.database in {None, "", ":memory:"} or is_lake(engine.url):
            event.listen(engine, "engine_disposed", _let_memory_go)
        # polars calls it on engines of duckdb-engine, as SQLAlchemy 1.4 had it.
        engine.execute = partial(_execute, engine)  # type: ignore[attr-defined]


def _let_memory_go(engine: Engine) -> None:
    dialect: Any = engine.dialect
    dialect.close_memory()


def _execute(engine: Engine, statement: Any, parameters: Any = None) -> CursorResult[Any]:
    """Execute a statement on a connection of its own, which its cursor keeps."""
    connection = engine.connect()
    if isinstance(parameters, tuple):
        result = connection.exec_driver_sql(str(statement), parameters)
    else:
        result = connection.execute(statement, parameters)
    if result.cursor is not None:
        result.cursor.kept = connection  # type: ignore[attr-defined]
    return result


@contextmanager
def _explain_names(settings: Mapping[str, Any]) -> Iterator[None]:
    """Name the nearest options where DuckDB does not know a setting."""
    try:
        yield
    except duckdb.CatalogException as error:
        unknown = [name for name in settings if f'"{name}"' in str(error)]
        if not unknown:
            raise
        known = {*get_core_config(), *OPTIONS}
        raise ArgumentError(explained(unknown[0], known)) from error


def _wrapped(connection: Any) -> module.Connection:
    """Return what ``create_engine(creator=…)`` made as a connection of the dialect.

    Raises:
        ArgumentError: It is none of DuckDB's.
    """
    if isinstance(connection, module.Connection):
        return connection
    if isinstance(connection, duckdb.DuckDBPyConnection):
        return module.Connection(connection)
    raise ArgumentError(
        f"creator returned {type(connection).__name__}. Let it return duckdb.connect(…), or leave "
        "it out: the URL and connect_args say how to connect."
    )


def _wrap_created(engine: Engine) -> None:
    """Wrap the connections that the pool gets; SQLAlchemy has no other place for it."""
    create = engine.pool._invoke_creator

    def connect(record: Any = None) -> Any:
        return _wrapped(create(record))

    engine.pool._creator = connect
