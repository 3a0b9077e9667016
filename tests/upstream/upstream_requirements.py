"""What SQLAlchemy's and Alembic's own tests may ask of DuckDB.

Their requirements name the databases that SQLAlchemy knows. Here all are open, but for what
DuckDB cannot do (``tests/sqlalchemy_suite/requirements.py`` has the SQL that shows it) and what
names another database, driver or version of Python.
"""

from __future__ import annotations

import re
from typing import Any

import requirements as suite
from sqlalchemy import exc, inspect
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.testing import config, exclusions, fixtures, provision

try:
    from test.requirements import DefaultRequirements
except ImportError:  # these are Alembic's tests
    from mixpanel_data.dialect.alembic.impl import register_duckdb
    from tests.requirements import DefaultRequirements

    register_duckdb()  # which a plugin does, but not before Alembic 1.18

#: Requirements that ask for another database, driver or Python by name.
OTHER = re.compile(
    r"""(any_)?psycopg|asyncio$|async_dialect|btree_gist$|citext$|cxoracle|freethreading$|greenlet$
    |hstore$|mssql|multirange_types$|mysql|native_hstore$|oracle|pep649$|postgresql|pyodbc|python
    |range_types$|sqlalchemy2_stubs$|sqlite|stubs_test$|windows$|patch_library$|dbapi_profiling
    """,
    re.VERBOSE,
)

#: Requirements that ask for a behaviour of another database which is no ability.
OTHER_BEHAVIOUR = {
    "database_discards_null_for_autoincrement": "a NULL that becomes a number, as in MySQL",
    "default_schema_name_switch": "a schema of the connection that SQLAlchemy may change",
    "format_paramstyle": "parameters as %s",
    "implicit_default_schema": "a schema that is not in the search path, as in SQL Server",
    "insertmanyvalues": "INSERT of many VALUES; the dialect inserts a batch instead",
    "multi_table_update": "UPDATE of two tables, as in MySQL",
    "named_paramstyle": "parameters as :name",
    "no_referential_integrity": "a database without foreign keys",
    "non_native_boolean": "a database without BOOLEAN",
    "non_native_boolean_check_constraint": "a database without BOOLEAN",
    "non_native_boolean_unconstrained": "a database without BOOLEAN",
    "nvarchar_types": "NVARCHAR as a type of its own",
    "pyformat_paramstyle": "parameters as %(name)s",
    "qmark_paramstyle": "parameters as ?",
    "reports_unique_constraints_as_indexes": "unique constraints that are listed as indexes",
    "rowcount_always_cached": "a driver that forgets the number of rows",
    "rowcount_always_cached_on_insert": "a driver that forgets the number of rows",
    "select_star_mixed": "a wish of Oracle",
    "server_side_cursors": "a cursor with a name of its own on the server",
    "supports_lastrowid": "DuckDB has RETURNING instead",
    "supports_lastrowid_for_expressions": "DuckDB has RETURNING instead",
    "timestamp_microseconds": "a wish of Oracle",
    "timestamp_microseconds_implicit_bound": "a wish of Oracle",
    "unnamed_constraints": "a wish of SQLite",
}


class Requirements(DefaultRequirements):
    """Theirs, but open where they name only the databases that SQLAlchemy knows."""

    def get_order_by_collation(self, config: Any) -> str:
        """Return the name of a collation."""
        return "nocase"


def _reason_to_close(name: str) -> str | None:
    if name in suite.CANNOT:
        return f"DuckDB says: {suite.CANNOT[name][1]}"
    return (suite.NOT_ASKED | OTHER_BEHAVIOUR).get(name)


def _decide() -> None:
    plain = DefaultRequirements()
    for name in dir(DefaultRequirements):
        if name.startswith("_") or not isinstance(getattr(DefaultRequirements, name), property):
            continue
        if (reason := _reason_to_close(name)) is not None:
            setattr(Requirements, name, property(lambda self, r=reason: suite._closed(r)))
        elif not OTHER.match(name) and isinstance(getattr(plain, name), exclusions.compound):
            setattr(Requirements, name, property(lambda self: exclusions.open()))


_decide()


@provision.upsert.for_db("duckdb")
def _upsert(
    cfg: Any,
    table: Any,
    returning: Any,
    *,
    set_lambda: Any = None,
    sort_by_parameter_order: bool = False,
    index_elements: Any = None,
) -> Any:
    statement = insert(table)
    if set_lambda is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(
            index_elements=index_elements or inspect(table).primary_key,
            set_=set_lambda(statement.excluded),
        )
    return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)


def _delete_from_all_tables(connection: Any, cfg: Any, metadata: Any) -> None:
    """Delete in a transaction for each table.

    Within one transaction, DuckDB does not see that the rows which refer to a row are gone:
    https://duckdb.org/docs/stable/sql/indexes#constraint-checking-in-update-statements
    """
    with connection.engine.connect() as one:
        existing = [
            table
            for table in metadata.sorted_tables
            if inspect(one).has_table(table.name, table.schema)
        ]
    try:
        for table in reversed(existing):
            with connection.engine.begin() as one:
                one.execute(table.delete())
    except exc.IntegrityError:  # rows that refer to rows of the same table
        metadata.drop_all(connection.engine, existing)
        metadata.create_all(connection.engine, existing)


def _teardown_with_deletes(fixture: Any) -> None:
    """Delete in place of a fixture that has no hook for it, and does so in one transaction."""
    deletes, fixture.run_deletes = fixture.run_deletes == "each", None
    if deletes and "each" not in (fixture.run_define_tables, fixture.run_create_tables):
        with fixture.bind.connect() as connection:
            _delete_from_all_tables(connection, config, fixture._tables_metadata)
    _teardown(fixture)


if hasattr(provision, "delete_from_all_tables"):
    provision.delete_from_all_tables.for_db("duckdb")(_delete_from_all_tables)
else:  # the first ones of SQLAlchemy 2.0
    _teardown = fixtures.TablesTest._teardown_each_tables
    fixtures.TablesTest._teardown_each_tables = _teardown_with_deletes
