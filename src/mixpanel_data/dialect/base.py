"""The dialect class: duckdb-engine's dialect with the fixes of this package."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache, partial
from types import ModuleType
from typing import Any
from uuid import uuid4

import duckdb
import duckdb_engine
from duckdb_engine.config import apply_config, get_core_config
from sqlalchemy import event, types
from sqlalchemy.dialects.postgresql.base import PGIdentifierPreparer
from sqlalchemy.engine import URL, CursorResult, Engine
from sqlalchemy.exc import ArgumentError, NotSupportedError
from sqlalchemy.pool import Pool, QueuePool
from sqlalchemy.util import asbool

from mixpanel_data.common.lock_waits import retry_while_locked
from mixpanel_data.dialect import datatypes
from mixpanel_data.dialect.driver import module
from mixpanel_data.dialect.driver.errors import driver_errors, is_locked
from mixpanel_data.dialect.driver.shared_connection import DISCONNECTED
from mixpanel_data.dialect.driver.time_zone import names_zone, set_zone, without_zone
from mixpanel_data.dialect.reflection.mixin import Reflection
from mixpanel_data.dialect.sql import json_text, json_types
from mixpanel_data.dialect.sql.ddl import DDLCompiler
from mixpanel_data.dialect.sql.derived import DERIVES_OPTION
from mixpanel_data.dialect.sql.parsing import split_schema
from mixpanel_data.dialect.sql.shared_parameters import share_equal
from mixpanel_data.dialect.sql.statements import ExecutionContext, StatementCompiler
from mixpanel_data.dialect.sql.type_names import TypeCompiler
from mixpanel_data.dialect.urls import (
    OPTIONS,
    checked_arguments,
    explained,
    require_file,
    split_options,
)
from mixpanel_data.lake import attaching
from mixpanel_data.lake.definition import Lake, is_lake
from mixpanel_data.lake.locks import DEFAULT_TIMEOUT, Locks
from mixpanel_data.lake.opening import attach_or_create

#: Execution option: build a lazy DuckDB relation (``result.cursor.relation``) instead of executing.
RELATION_OPTION = "duckdb_relation"

#: Execution option: refuse what is not a query before it runs.
QUERY_OPTION = "duckdb_query"

#: Execution option: a list that gets the rows, before SQLAlchemy closes the cursor of a statement
#: that writes, which has rows where it is explained.
ROWS_OPTION = "duckdb_rows"


_CATALOG_TYPE = (
    "SELECT type FROM system.main.duckdb_databases() "
    "WHERE database_name = system.main.current_database()"
)

#: What a catalog of DuckLake has not, beside the keys.
_WITHOUT_KEYS = {
    "supports_keys": False,
    "supports_checkpoint": False,
    "narrows_types": False,
    "supports_sequences": False,
    "insert_returning": False,
    "update_returning": False,
    "delete_returning": False,
    "insert_executemany_returning": False,
    "insert_executemany_returning_sort_by_parameter_order": False,
    "update_executemany_returning": False,
    "delete_executemany_returning": False,
}


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
    engine.pool._creator = lambda record: _wrapped(create(record))  # type: ignore[assignment]


@lru_cache
def reserved_words() -> frozenset[str]:
    """Return the keywords that DuckDB accepts as names only in quotes."""
    with driver_errors(), duckdb.connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(word for (word,) in rows)


class IdentifierPreparer(duckdb_engine.DuckDBIdentifierPreparer):
    """Quotes names without touching DuckDB's process-wide default connection."""

    def __init__(self, dialect: Any, **options: Any) -> None:
        # Skips duckdb-engine's __init__, which would use the default connection
        # (https://github.com/Mause/duckdb_engine/issues/1377).
        super(duckdb_engine.DuckDBIdentifierPreparer, self).__init__(dialect, **options)
        self.reserved_words: set[str] = {*PGIdentifierPreparer.reserved_words, *reserved_words()}

    def format_schema(self, name: str) -> str:
        """Quote a schema, or a database and a schema (``database.schema``)."""
        if getattr(name, "quote", None) is False:  # a placeholder of schema_translate_map
            return name
        return ".".join(self.quote(part) for part in split_schema(name) if part is not None)


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


def _announce(cursor: Any, context: Any) -> None:
    """Tell the connection of a cursor what a statement will write."""
    compiled = None if context is None else context.compiled
    if compiled is None:
        cursor.connection.before((), keeps_columns=False)
        return
    writes = getattr(compiled, "writes", ())
    if context.execution_options.get(DERIVES_OPTION):
        writes = ()
    is_select = getattr(compiled.statement, "is_select", False)
    cursor.connection.before(writes, keeps_columns=bool(writes) or is_select)


class MixpanelDialect(Reflection, duckdb_engine.Dialect):
    """DuckDB under ``duckdb+mixpanel://``.

    Args:
        foreign_keys: ``off`` or False to leave foreign keys out of the database and keep them in
            the models; in a URL ``?foreign_keys=off``. DuckDB refuses much that an ORM does with
            rows that others refer to.

    The entry point names this class, which names duckdb-engine's class as its base, so it does not
    matter which package registers ``duckdb://``.

    Example:
        >>> from sqlalchemy import create_engine, text
        >>> engine = create_engine("duckdb+mixpanel:///:memory:")
        >>> with engine.connect() as connection:
        ...     connection.scalar(text("SELECT 6 * 7"))
        42
    """

    # polars looks for this name, and then fetches Arrow data from our cursor.
    driver = "duckdb_engine"
    supports_statement_cache = True
    supports_constraint_comments = False
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = module.COUNTS_MANY
    # ``executemany()`` passes many rows to DuckDB at once, and its RETURNING rows come in parameter
    # order.
    use_insertmanyvalues = False
    insert_executemany_returning = True
    insert_executemany_returning_sort_by_parameter_order = True
    update_executemany_returning = True
    delete_executemany_returning = True
    # Private, but the only way to stop PostgreSQL's compiler from escaping backslashes.
    _backslash_escapes = False
    preparer = IdentifierPreparer
    ddl_compiler = DDLCompiler
    statement_compiler = StatementCompiler
    type_compiler_cls = TypeCompiler
    # duckdb-engine inherits psycopg2's context, which reads PostgreSQL's notices.
    execution_ctx_cls = ExecutionContext
    colspecs = {  # noqa: RUF012 (SQLAlchemy declares it so)
        **duckdb_engine.Dialect.colspecs,
        types.Enum: types.Enum,  # PostgreSQL's needs CREATE TYPE
        types.JSON: json_types.Document,
        types.JSON.JSONIndexType: json_types.JSONIndex,
        types.JSON.JSONPathType: json_types.JSONPath,
        types.Numeric: datatypes.Numeric,
        types.Float: types.Float,  # a Numeric before SQLAlchemy 2.1
        duckdb_engine.datatypes.Map: datatypes.Map,
    }
    supports_native_decimal = True
    #: Whether the catalog has keys, other constraints, indexes and compression of columns. Set when
    #: the first connection is made: DuckLake's has not.
    supports_keys = True
    #: Whether the catalog has a log to write into its file.
    supports_checkpoint = True
    #: Whether a column can get a type with fewer values.
    narrows_types = True
    max_identifier_length = 9999  # DuckDB has no limit

    def __init__(self, foreign_keys: Any = "on", **options: Any) -> None:
        options.setdefault("json_serializer", json_text.dumps)
        options.setdefault("json_deserializer", json_text.loads)
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
        connection.driver.execute(attaching.USE)
        set_zone(connection.driver, settings)
        return connection

    def initialize(self, connection: Any) -> None:
        """Learn from the first connection what its catalog can do."""
        super().initialize(connection)
        driver = connection.connection.driver_connection
        with driver_errors():
            ((kind,),) = driver.execute(_CATALOG_TYPE).fetchall()
        if kind == "ducklake":
            for name, value in _WITHOUT_KEYS.items():
                setattr(self, name, value)

    def _open(self, *args: Any, **options: Any) -> module.Connection:
        """Open a connection with the module that ``create_engine(module=…)`` was given."""
        given: Any = self.dbapi
        if given is None or given is module:
            return module.connect(*args, **options)
        return module.connect(*args, **options, opened_by=given.connect)

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

    def type_descriptor(self, typeobj: Any) -> Any:
        """Leave values without a type, those of SQL text, as DuckDB has them.

        duckdb-engine reads JSON among them, which pandas and polars then turn into Python's text.
        """
        return super(duckdb_engine.Dialect, self).type_descriptor(typeobj)

    def _get_default_schema_name(self, connection: Any) -> Any:
        """Ask DuckDB directly, so that no macro of the file or sandbox guard interferes."""
        driver = connection.connection.driver_connection
        with driver_errors():
            ((name,),) = driver.execute("SELECT system.main.current_schema()").fetchall()
        return name

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether an error means that the connection is unusable.

        It was closed, or its database was invalidated and has to be reopened.
        """
        return connection is not None and isinstance(e, DISCONNECTED)

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Tell whether a connection works, for ``pool_pre_ping``."""
        try:
            with closing(dbapi_connection.cursor()) as cursor:
                cursor.execute("SELECT 1")
        except DISCONNECTED:
            return False
        return True

    def do_savepoint(self, connection: Any, name: str) -> None:
        """Refuse: DuckDB has no savepoints. The transaction is left unchanged.

        Raises:
            sqlalchemy.exc.NotSupportedError: Always.
        """
        message = (
            "DuckDB has no savepoints, so there are no nested transactions. Leave begin_nested() "
            "out, and do what may fail in a transaction of its own, on a second connection or "
            "session of the same engine."
        )
        raise NotSupportedError("SAVEPOINT", None, module.NotSupportedError(message))

    def _refuse_two_phases(self, *_: Any, **__: Any) -> Any:
        """Refuse: DuckDB has no two-phase commit. The transaction is left unchanged.

        Raises:
            sqlalchemy.exc.NotSupportedError: Always.
        """
        message = (
            "DuckDB has no two-phase commit: one database is all that a transaction writes. Leave "
            "begin_twophase() and Session(twophase=True) out, and commit databases one by one."
        )
        raise NotSupportedError("PREPARE TRANSACTION", None, module.NotSupportedError(message))

    do_begin_twophase = do_prepare_twophase = do_recover_twophase = _refuse_two_phases
    do_commit_twophase = do_rollback_twophase = _refuse_two_phases

    def close_memory(self) -> None:
        """Close our connection to the in-memory database, which ends with its last connection."""
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    def get_driver_connection(self, connection: Any) -> Any:
        """Return the DuckDB connection inside a pooled one."""
        return connection.driver

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Return the isolation level of DuckDB's transactions."""
        return "SERIALIZABLE"

    def get_isolation_level_values(self, dbapi_conn: Any) -> Any:
        """Return the accepted values: DuckDB's only isolation level, and autocommit."""
        return ("SERIALIZABLE", "AUTOCOMMIT")

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Return the isolation level of a connection."""
        return "AUTOCOMMIT" if dbapi_connection.autocommit else "SERIALIZABLE"

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """Set the isolation level for the next transactions of a connection."""
        dbapi_connection.autocommit = level == "AUTOCOMMIT"

    def do_begin(self, dbapi_connection: Any) -> None:
        """Start a transaction."""
        dbapi_connection.begin()

    def do_execute(self, cursor: Any, statement: Any, parameters: Any, context: Any = None) -> None:
        """Execute a statement, or build a relation if the execution option is set."""
        _announce(cursor, context)
        if context is not None and context.compiled is not None:
            statement, parameters = share_equal(statement, parameters)
        options = {} if context is None else context.execution_options
        if options.get(QUERY_OPTION):
            cursor.require_query(statement)
        if options.get(RELATION_OPTION):
            cursor.relate(statement, parameters)
            return
        cursor.execute(statement, parameters)
        if ROWS_OPTION in options:
            options[ROWS_OPTION].extend(cursor.fetchall())

    def do_executemany(
        self, cursor: Any, statement: Any, parameters: Any, context: Any = None
    ) -> None:
        """Execute a statement for many rows."""
        _announce(cursor, context)
        super().do_executemany(cursor, statement, parameters, context)

    def do_execute_no_params(self, cursor: Any, statement: Any, context: Any = None) -> None:
        """Execute a statement without parameters, for the execution option ``no_parameters``."""
        _announce(cursor, context)
        super().do_execute_no_params(cursor, statement, context)
