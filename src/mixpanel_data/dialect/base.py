"""The dialect class: duckdb-engine's dialect with the fixes of this package."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import duckdb_engine
from sqlalchemy import types
from sqlalchemy.exc import NotSupportedError

from mixpanel_data.dialect import datatypes
from mixpanel_data.dialect.connecting import Connecting
from mixpanel_data.dialect.driver import module
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.dialect.driver.shared_connection import DISCONNECTED
from mixpanel_data.dialect.identifiers import IdentifierPreparer
from mixpanel_data.dialect.numeric import Numeric
from mixpanel_data.dialect.reflection.mixin import Reflection
from mixpanel_data.dialect.sql import json_text, json_types
from mixpanel_data.dialect.sql.ddl import DDLCompiler
from mixpanel_data.dialect.sql.derived import DERIVES_OPTION
from mixpanel_data.dialect.sql.execution_context import ExecutionContext
from mixpanel_data.dialect.sql.shared_parameters import share_equal
from mixpanel_data.dialect.sql.statements import StatementCompiler
from mixpanel_data.dialect.sql.type_names import TypeCompiler

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


class MixpanelDialect(Reflection, Connecting):
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
    supports_sane_multi_rowcount = True
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
        types.Numeric: Numeric,
        types.Float: types.Float,  # a Numeric before SQLAlchemy 2.1
        types.ARRAY: datatypes.Array,
        duckdb_engine.datatypes.Map: datatypes.Map,
        duckdb_engine.datatypes.Struct: datatypes.Struct,
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

    @property
    def supports_alter(self) -> bool:
        """Whether keys that CREATE TABLE cannot have are added later, and not left out, too."""
        return bool(self.foreign_keys)

    def __init__(self, **options: Any) -> None:
        options.setdefault("json_serializer", json_text.dumps)
        options.setdefault("json_deserializer", json_text.loads)
        super().__init__(**options)

    def initialize(self, connection: Any) -> None:
        """Learn from the first connection what its catalog can do."""
        super().initialize(connection)
        driver = connection.connection.driver_connection
        with driver_errors():
            ((kind,),) = driver.execute(_CATALOG_TYPE).fetchall()
        if kind == "ducklake":
            for name, value in _WITHOUT_KEYS.items():
                setattr(self, name, value)

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
