"""A project that ``alembic init`` made works with nothing but a URL."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.util import CommandError
from sqlalchemy import BigInteger, CheckConstraint, Column, Computed, Integer, create_engine
from sqlalchemy.exc import DBAPIError

from mixpanel_data.dialect.alembic import register_duckdb
from tests.processes import run_python

pytestmark = pytest.mark.processes

#: Works like the command, ``alembic init`` and so on, in one process.
SCRIPT = """
import sys
from pathlib import Path
from alembic import command
from alembic.config import Config

config = Config("alembic.ini")
command.init(config, "migrations")
Path("models.py").write_text(
    "import sqlalchemy as sa\\n"
    "metadata = sa.MetaData()\\n"
    "sa.Table('users', metadata, sa.Column('id', sa.Integer, primary_key=True))\\n"
)
env = Path("migrations/env.py")
env.write_text(
    env.read_text().replace(
        "target_metadata = None", "from models import metadata as target_metadata"
    )
)
config = Config("alembic.ini")
config.set_main_option("sqlalchemy.url", "duckdb+mixpanel:///app.db")
config.set_main_option("prepend_sys_path", ".")
sys.path.insert(0, ".")
command.revision(config, "users", autogenerate=True)
command.upgrade(config, "head")
command.check(config)
command.upgrade(config, "head", sql=True)
command.downgrade(config, "base")
"""


def test_a_stock_project_needs_no_import_of_ours(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "CREATE SEQUENCE IF NOT EXISTS users_id_seq" in run.stdout


#: Runs revisions of a stock project: for tables of its models, whose names and types are given,
#: then for tables that SQL made, which the models do not have.
REVISIONS = """
import sys
from pathlib import Path
import duckdb
from alembic import command
from alembic.config import Config

command.init(Config("alembic.ini"), "migrations")
Path("models.py").write_text(MODELS)
env = Path("migrations/env.py")
env.write_text(
    env.read_text().replace(
        "target_metadata = None", "from models import metadata as target_metadata"
    )
)
config = Config("alembic.ini")
config.set_main_option("sqlalchemy.url", "duckdb+mixpanel:///app.db")
sys.path.insert(0, ".")

def columns():
    with duckdb.connect("app.db") as file:
        return file.sql(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE NOT internal AND table_name <> 'alembic_version' ORDER BY ALL"
        ).fetchall()

with duckdb.connect("app.db") as file:
    file.execute(SQL)
foreign = columns()
command.revision(config, "models", autogenerate=True)
command.upgrade(config, "head")
made = columns()
assert made, "models"
assert not {name for name, _, _ in foreign} & {name for name, _, _ in made}, made
command.check(config)
command.downgrade(config, "base")
assert columns() == foreign, columns()
command.upgrade(config, "head")
assert columns() == made
"""

#: DuckDB's types that SQLAlchemy does not have, as a model has them and as SQL has them.
OWN_TYPES = {
    "sa.Struct({'a': sa.Integer(), 'b c': sa.Numeric(10, 2)})": 'STRUCT(a INT, "b c" DECIMAL(9,1))',
    "sa.Map(sa.String(), sa.Struct({'x': sa.Integer()}))": "MAP(VARCHAR, STRUCT(x INT))",
    "sa.Union({'n': sa.Integer(), 't': sa.String()})": "UNION(n INT, t VARCHAR)",
    "sa.FixedArray(sa.Integer(), 3)": "INT[3][]",
    "sa.ARRAY(sa.Struct({'x': sa.Integer()}))": "STRUCT(x INT)[]",
    "sa.HugeInteger()": "HUGEINT",
    "sa.UHugeInteger()": "UHUGEINT",
    "sa.TinyInteger()": "TINYINT",
    "sa.UTinyInteger()": "UTINYINT",
    "sa.USmallInteger()": "USMALLINT",
    "sa.UInteger()": "UINTEGER",
    "sa.UBigInteger()": "UBIGINT",
    "sa.TimestampNS()": "TIMESTAMP_NS",
    "sa.TimestampS()": "TIMESTAMP_S",
    "sa.Bit()": "BIT",
}


def test_a_stock_project_has_tables_with_any_type_of_duckdb(tmp_path: Path) -> None:
    models = [
        "from types import SimpleNamespace",
        "import sqlalchemy",
        "from duckdb_engine import datatypes as theirs",
        "from mixpanel_data.dialect import datatypes as ours",
        "sa = SimpleNamespace(**{**vars(sqlalchemy), **vars(theirs), **vars(ours)})",
        "metadata = sqlalchemy.MetaData()",
        *(
            f"sqlalchemy.Table('m{n}', metadata, sqlalchemy.Column('v', {kind}))"
            for n, kind in enumerate(OWN_TYPES)
        ),
    ]
    sql = [f"CREATE TABLE f{n} (v {kind});" for n, kind in enumerate(OWN_TYPES.values())]
    sql.append("CREATE TABLE totals AS SELECT sum(i) AS total FROM range(3) t(i);")
    script = f"MODELS = {chr(10).join(models)!r}\nSQL = {chr(10).join(sql)!r}\n{REVISIONS}"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "first", ["alembic", "mixpanel_data.dialect.alembic", "mixpanel_data.migrate", "sqlalchemy"]
)
def test_whatever_is_imported_first_the_implementation_is_registered(first: str) -> None:
    run_python(f"""
import {first}
import alembic.migration
from sqlalchemy import create_engine
with create_engine("duckdb+mixpanel:///:memory:").connect() as connection:
    context = alembic.migration.MigrationContext.configure(connection)
    assert context.impl.transactional_ddl, context.impl
""")


def change(op: Operations) -> None:
    """Do what duckdb-engine's own dialect can do."""
    op.create_table("t", Column("n", Integer))
    op.add_column("t", Column("a", Integer))
    op.alter_column("t", "n", type_=BigInteger())
    op.alter_column("t", "n", server_default="3")
    op.alter_column("t", "n", comment="numbers")
    op.alter_column("t", "a", new_column_name="b")
    op.create_index("i", "t", ["n"])
    op.drop_index("i")
    with op.batch_alter_table("t") as batch:
        batch.add_column(Column("z", Integer))
    op.rename_table("t", "u")
    op.create_table("t", Column("n", Integer))
    op.drop_table("t")


def test_migrations_run_with_the_dialect_of_duckdb_engine() -> None:
    register_duckdb()
    engine = create_engine("duckdb:///:memory:")
    with engine.connect() as connection:
        change(Operations(MigrationContext.configure(connection)))
        names = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'u'"
        assert connection.exec_driver_sql(names).scalars().all() == ["n", "b", "z"]
    engine.dispose()


IMPOSSIBLE: dict[str, Callable[[Operations], object]] = {
    "drops a constraint": lambda op: op.drop_constraint("k", "t", type_="unique"),
    "adds a check": lambda op: op.create_check_constraint("c", "t", "n > 1"),
    "adds a foreign key": lambda op: op.create_foreign_key("f", "t", "u", ["n"], ["n"]),
    "adds a generated column": lambda op: op.add_column(
        "t", Column("g", Integer, Computed("n + 1"))
    ),
    "adds a column with a check": lambda op: op.add_column(
        "t", Column("g", Integer, CheckConstraint("g > 1"))
    ),
}
#: What DuckDB 2.0 can do.
NEW: dict[str, Callable[[Operations], object]] = {
    "adds a unique constraint": lambda op: op.create_unique_constraint("k", "t", ["n"]),
    "adds a column that is NOT NULL": lambda op: op.add_column(
        "t", Column("g", Integer, nullable=False, server_default="3")
    ),
}


def run_on_table(change: Callable[[Operations], object]) -> None:
    """Run a change on a table without rows and keys, as ``ALTER TABLE``."""
    engine = create_engine("duckdb+mixpanel://")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE u (n INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
        change(Operations(MigrationContext.configure(connection)))
    engine.dispose()


def printed(change: Callable[[Operations], object]) -> str:
    """Return what ``--sql`` prints for a change."""
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    with Operations.context(
        MigrationContext.configure(dialect_name="duckdb", opts=options)
    ) as operations:
        change(operations)
    return written.getvalue()


@pytest.mark.parametrize("what", [*IMPOSSIBLE, *NEW])
def test_what_no_duckdb_runs_is_not_printed(what: str) -> None:
    change = {**IMPOSSIBLE, **NEW}[what]
    try:
        run_on_table(change)
    except DBAPIError:
        with pytest.raises(CommandError, match=f"in --sql mode: DuckDB has .* that {what}"):
            printed(change)
    else:
        assert what in NEW
        assert printed(change).startswith("ALTER TABLE t ADD")


def test_a_batch_that_drops_a_constraint_is_not_printed() -> None:
    def change(op: Operations) -> None:
        with op.batch_alter_table("t") as batch:
            batch.drop_constraint("k", type_="unique")

    with pytest.raises(CommandError, match="requires a live database connection"):
        printed(change)


def test_migrations_are_printed_for_a_name_of_a_dialect() -> None:
    written = io.StringIO()
    options = {"as_sql": True, "output_buffer": written}
    change(Operations(MigrationContext.configure(dialect_name="duckdb", opts=options)))
    assert "ALTER TABLE t RENAME TO u" in written.getvalue()
