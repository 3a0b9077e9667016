"""Changes to tables have the same result by ALTER TABLE and by recreating the table."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    String,
    Uuid,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import DBAPIError, InvalidRequestError, NoSuchColumnError

from mixpanel_data.dialect.alembic.altering import alter_tables
from mixpanel_data.dialect.alembic.changes import Changes
from tests.examples import examples

ROWS = 2500

FORMS = {
    "keyed": "",
    "indexed": "CREATE INDEX by_n ON t (n); CREATE UNIQUE INDEX by_both ON t (lower(a), k)",
    "viewed": "CREATE VIEW seen AS SELECT k FROM t",
}

TABLE = """
CREATE TABLE t (
    a VARCHAR NOT NULL DEFAULT 'x:y',
    k VARCHAR PRIMARY KEY,
    n INTEGER CHECK (n >= 0),
    j JSON,
    l INTEGER[],
    z TIMESTAMP
);
COMMENT ON TABLE t IS 'it''s 100 % : a table';
COMMENT ON COLUMN t.k IS 'the key';
INSERT INTO t SELECT 'a' || i, md5(i::VARCHAR)::UUID, i, {'number': i}, [i], NULL
FROM range(2500) AS numbers(i)
"""


@dataclass
class Sample:
    """A database with a table ``t``, and the statements it has run since."""

    engine: Engine
    path: Path
    statements: list[str]

    def change(self, changes: Changes) -> None:
        with self.engine.begin() as connection:
            alter_tables(connection, ["t"], changes, set())

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def type_of(self, column: str) -> str:
        query = "SELECT data_type FROM duckdb_columns() WHERE table_name = 't' AND column_name = "
        ((found,),) = self.rows(f"{query}'{column}'")
        return str(found)

    @property
    def was_rebuilt(self) -> bool:
        return any(statement.startswith("DROP TABLE") for statement in self.statements)

    def require_intact(self, key: str = "k") -> None:
        """The rows are in order, the key and the comments are there, a crash does no harm."""
        with self.engine.connect() as connection:
            inspector = inspect(connection)
            assert inspector.get_pk_constraint("t")["constrained_columns"] == [key]
            assert inspector.get_table_comment("t") == {"text": "it's 100 % : a table"}
            comments = {column["name"]: column["comment"] for column in inspector.get_columns("t")}
            assert comments[key] == "the key"
            keys = connection.scalars(text(f"SELECT CAST({key} AS VARCHAR) FROM t")).all()
            wanted = text(f"SELECT md5(i::VARCHAR)::UUID::VARCHAR FROM range({ROWS}) AS r(i)")
            assert keys == connection.scalars(wanted).all()
        with self.engine.connect() as connection, pytest.raises(DBAPIError, match="uplicate"):
            connection.execute(text("INSERT INTO t SELECT * FROM t LIMIT 1"))
        assert contents(self.engine) == contents_after_crash(self.path)


def contents(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        tables = connection.execute(text("SELECT sql FROM duckdb_tables() ORDER BY sql")).all()
        indexes = connection.execute(text("SELECT sql FROM duckdb_indexes() ORDER BY sql")).all()
        return [*tables, *indexes, connection.execute(text("FROM t")).all()]


def contents_after_crash(path: Path) -> list[Any]:
    """What DuckDB makes of the file and its write-ahead log as they are now."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (path.name, f"{path.name}.wal"):
            shutil.copy(path.with_name(name), folder)
        engine = create_engine(f"duckdb+mixpanel:///{Path(folder) / path.name}")
        try:
            return contents(engine)
        finally:
            engine.dispose()


@pytest.fixture(params=FORMS)
def sample(request: pytest.FixtureRequest, path: Path) -> Iterator[Sample]:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
        if more := FORMS[request.param]:
            connection.exec_driver_sql(more)
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        statements.append(statement.strip())

    yield Sample(engine, path, statements)
    engine.dispose()


def test_a_column_is_added_without_touching_the_rows(sample: Sample) -> None:
    changes = Changes()
    changes.add_column(Column("source", String, comment="it's: new"))
    changes.add_column(Column("is_test", Boolean, server_default="false"))
    changes.add_column(Column("odd name", String, server_default="it's: 1"))
    sample.change(changes)
    assert not sample.was_rebuilt
    rows = sample.rows('SELECT DISTINCT source, is_test, "odd name" FROM t')
    assert rows == [(None, False, "it's: 1")]
    with sample.engine.connect() as connection:
        columns = {column["name"]: column for column in inspect(connection).get_columns("t")}
    assert columns["source"]["comment"] == "it's: new"
    sample.require_intact()


def test_a_column_that_is_added_takes_its_values_from_others(sample: Sample) -> None:
    changes = Changes()
    changes.add_column(Column("double", BigInteger), fill="(j->>'$.number')::BIGINT * 2")
    sample.change(changes)
    assert not sample.was_rebuilt
    assert sample.rows("SELECT count(*) FROM t WHERE double = 2 * n") == [(ROWS,)]
    sample.require_intact()


def test_a_column_that_may_not_be_null_is_added_with_values(sample: Sample) -> None:
    changes = Changes()
    changes.add_column(Column("source", String, nullable=False), fill="a || '$'")
    changes.add_column(Column("kind", String, nullable=False, server_default="web"))
    sample.change(changes)
    assert sample.rows("SELECT source, kind FROM t LIMIT 1 OFFSET 7") == [("a7$", "web")]
    with sample.engine.connect() as connection:
        columns = {column["name"]: column for column in inspect(connection).get_columns("t")}
    assert not columns["source"]["nullable"]
    assert not columns["kind"]["nullable"]
    sample.require_intact()


@pytest.mark.parametrize("default", ["now()", "['a', 'b']", "1 + 1"])
def test_a_default_that_is_no_literal_is_refused_because_of_crashes(
    sample: Sample, default: str
) -> None:
    changes = Changes()
    changes.add_column(Column("seen", String, server_default=text(default)))
    failing(sample, changes, InvalidRequestError, "after a crash")


def test_a_type_is_changed_by_a_cast(sample: Sample) -> None:
    changes = Changes()
    changes.change_type("z", String)
    sample.change(changes)
    assert sample.type_of("z") == "VARCHAR"
    assert sample.was_rebuilt == (len(sample.rows("FROM duckdb_indexes()")) > 0)
    sample.require_intact()


@pytest.mark.parametrize(
    ("name", "type_", "using", "wanted"),
    [
        ("k", Uuid, None, "UUID"),
        ("n", BigInteger, None, "BIGINT"),
        ("a", JSON, "json_object('a', a)", "JSON"),
        ("z", JSON, None, "JSON"),
        ("j", BigInteger, "(j->>'$.number')::BIGINT", "BIGINT"),
        ("l", ARRAY(BigInteger), "[n, n]", "BIGINT[]"),
    ],
)
def test_a_type_is_changed_where_duckdb_cannot_do_it_directly(
    sample: Sample, name: str, type_: Any, using: str | None, wanted: str
) -> None:
    if name == "a" and sample.rows("FROM duckdb_indexes()"):
        pytest.skip("lower() takes no JSON")
    changes = Changes()
    changes.change_type(name, type_, using=using)
    sample.change(changes)
    assert sample.was_rebuilt
    assert sample.type_of(name) == wanted
    sample.require_intact()


def test_columns_are_renamed_with_their_key_check_and_indexes(sample: Sample) -> None:
    changes = Changes()
    changes.rename_column("n", "Number of it")
    changes.rename_column("l", "list")
    sample.change(changes)
    assert sample.rows('SELECT "Number of it", list FROM t LIMIT 1 OFFSET 7') == [(7, [7])]
    with sample.engine.connect() as connection:
        inspector = inspect(connection)
        (check,) = inspector.get_check_constraints("t")
        indexes = {index["name"]: index["column_names"] for index in inspector.get_indexes("t")}
    assert "Number of it" in str(check["sqltext"])
    assert indexes in ({}, {"by_n": ["Number of it"], "by_both": [None, "k"]})
    sample.require_intact()


def test_the_key_is_renamed(sample: Sample) -> None:
    changes = Changes()
    changes.rename_column("k", "id")
    sample.change(changes)
    sample.require_intact(key="id")


@pytest.mark.parametrize("name", ["j", "z"])
def test_a_column_is_dropped(sample: Sample, name: str) -> None:
    changes = Changes()
    changes.drop_column(name)
    sample.change(changes)
    with sample.engine.connect() as connection:
        assert name not in {column["name"] for column in inspect(connection).get_columns("t")}
    sample.require_intact()


def test_a_column_before_the_key_is_dropped(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
        changes = Changes()
        changes.drop_column("a")
        alter_tables(connection, ["t"], changes, set())
    Sample(engine, path, []).require_intact()
    engine.dispose()


@pytest.mark.parametrize("name", ["n", "j", "l", "a"])
def test_a_column_gets_new_values(sample: Sample, name: str) -> None:
    values = {"n": "n + 1", "j": "json_object('n', n)", "l": "[n, n]", "a": "upper(a)"}
    changes = Changes()
    changes.fill(name, values[name])
    before = sample.rows(f"SELECT {values[name]} FROM t")
    sample.change(changes)
    assert sample.rows(f"SELECT {name} FROM t") == before
    sample.require_intact()


def test_expressions_of_a_block_see_the_columns_as_they_were(sample: Sample) -> None:
    changes = Changes()
    changes.rename_column("n", "number")
    changes.add_column(Column("b", String, nullable=False), fill="a || n")
    changes.drop_column("l")
    changes.change_type("z", String, using="l[1]::VARCHAR")
    sample.change(changes)
    found = sample.rows("SELECT * EXCLUDE (k, j) FROM t LIMIT 1 OFFSET 7")
    assert found == [("a7", 7, "7", "a77")]
    sample.require_intact()


def test_a_column_cannot_be_changed_twice_in_a_block() -> None:
    changes = Changes()
    changes.rename_column("n", "m")
    with pytest.raises(InvalidRequestError, match="Column 'n' is changed twice"):
        changes.fill("n", "0")


def test_rows_stay_in_order_without_preserve_insertion_order(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t AS SELECT i FROM range(3000000) AS r(i)")
        connection.exec_driver_sql("SET preserve_insertion_order = false")
        changes = Changes()
        changes.change_type("i", Integer, using="i + 1")
        alter_tables(connection, ["t"], changes, set())
    with engine.connect() as connection:
        moved = "SELECT count(*) FROM t WHERE i <> rowid + 1"
        assert connection.scalar(text(moved)) == 0
    engine.dispose()


def failing(sample: Sample, changes: Changes, error: type[Exception], match: str) -> None:
    before = contents(sample.engine)
    with pytest.raises(error, match=match):
        sample.change(changes)
    assert contents(sample.engine) == before


def test_what_cannot_be_done_says_why_and_changes_nothing(sample: Sample) -> None:
    changes = Changes()
    changes.rename_column("nope", "other")
    failing(sample, changes, NoSuchColumnError, "Table 't' has no column 'nope'")
    changes = Changes()
    changes.drop_column("k")
    indexed = bool(sample.rows("FROM duckdb_indexes()"))
    needed = "Index 'by_both' of table 't' needs column 'k'" if indexed else "'k' of table 't' is"
    failing(sample, changes, InvalidRequestError, needed)
    changes = Changes()
    changes.change_type("a", Integer)
    failing(sample, changes, DBAPIError, "Conversion Error")
    changes = Changes()
    changes.add_column(Column("must", String, nullable=False))
    failing(sample, changes, DBAPIError, "NOT NULL constraint failed")
    changes = Changes()
    changes.change_type("k", String, using="'the same'")
    failing(sample, changes, DBAPIError, "uplicate key")


def test_an_index_on_an_expression_prevents_a_new_name(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
        connection.exec_driver_sql("CREATE INDEX by_lower ON t (lower(a))")
    changes = Changes()
    changes.rename_column("a", "b")
    with engine.begin() as connection, pytest.raises(InvalidRequestError, match="by_lower"):
        alter_tables(connection, ["t"], changes, set())
    engine.dispose()


def test_all_constraints_stay_when_the_table_is_recreated(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE other (id INTEGER PRIMARY KEY)")
        connection.exec_driver_sql(
            "CREATE TABLE t (k VARCHAR PRIMARY KEY, n INTEGER DEFAULT 7 REFERENCES other (id), "
            "u VARCHAR COLLATE NOCASE UNIQUE, d DECIMAL(10,2) NOT NULL, "
            "CHECK (d > n), UNIQUE (n, d))"
        )
        changes = Changes()
        changes.change_type("k", Uuid)
        changes.rename_column("d", "amount")
        alter_tables(connection, ["t"], changes, set())
    with engine.connect() as connection:
        sql = connection.scalar(text("SELECT sql FROM duckdb_tables() WHERE table_name = 't'"))
    engine.dispose()
    for part in (
        "n INTEGER DEFAULT(7)",
        "u VARCHAR COLLATE NOCASE",
        "amount DECIMAL(10,2) NOT NULL",
        "PRIMARY KEY(k)",
        "UNIQUE(u)",
        "CHECK((amount > ",
        "REFERENCES other(id)",
    ):
        assert part in str(sql)
    assert str(sql).count("UNIQUE") == 2


def test_compression_stays_where_duckdb_shows_it(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    query = text("SELECT sql FROM duckdb_tables() WHERE table_name = 't'")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER, j JSON USING COMPRESSION zstd)")
        before = connection.scalar(query)
        changes = Changes()
        changes.fill("n", "1")
        changes.rename_column("j", "k")
        alter_tables(connection, ["t"], changes, set())
        assert str(connection.scalar(query)) == str(before).replace("j JSON", "k JSON")
    engine.dispose()


def test_a_generated_column_prevents_recreating_the_table(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER, m INTEGER AS (n + 1))")
    changes = Changes()
    changes.change_type("n", BigInteger)
    with engine.begin() as connection, pytest.raises(InvalidRequestError, match="'m' of table 't'"):
        alter_tables(connection, ["t"], changes, set())
    engine.dispose()


def test_a_foreign_key_of_another_table_lets_columns_be_added_and_filled(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLE)
        connection.exec_driver_sql("CREATE TABLE notes (event VARCHAR REFERENCES T (k))")
        changes = Changes()
        changes.add_column(Column("source", String), fill="'export'")
        alter_tables(connection, ["t"], changes, set())
    changes = Changes()
    changes.rename_column("n", "m")
    with engine.begin() as connection, pytest.raises(InvalidRequestError, match="notes"):
        alter_tables(connection, ["t"], changes, set())
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT max(source) FROM t")) == "export"
    engine.dispose()


def test_a_table_that_refers_to_itself_is_changed_where_duckdb_can(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE t (k INTEGER PRIMARY KEY, parent INTEGER REFERENCES T (k), x VARCHAR)"
        )
        connection.exec_driver_sql("INSERT INTO t VALUES (1, NULL, '7')")
        changes = Changes()
        changes.rename_column("x", "y")
        changes.add_column(Column("source", String, server_default="export"))
        alter_tables(connection, ["t"], changes, set())
    changes = Changes()
    changes.change_type("y", Integer, using="y || '0'")
    with (
        engine.begin() as connection,
        pytest.raises(InvalidRequestError, match="'t' cannot be changed while a foreign key of"),
    ):
        alter_tables(connection, ["t"], changes, set())
    with engine.connect() as connection:
        assert connection.execute(text("FROM t")).all() == [(1, None, "7", "export")]
    engine.dispose()


def test_a_recreated_table_lets_rows_that_it_refers_to_be_deleted(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE kinds (k INTEGER PRIMARY KEY)")
        connection.exec_driver_sql("CREATE TABLE t (k INTEGER REFERENCES kinds (k), x VARCHAR)")
        connection.exec_driver_sql("INSERT INTO kinds VALUES (1), (2)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1, '7')")
        changes = Changes()
        changes.change_type("x", Integer, using="x || '0'")
        alter_tables(connection, ["t"], changes, set())
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM kinds WHERE k = 2")
        assert connection.execute(text("FROM t")).all() == [(1, 70)]
    with engine.connect() as connection, pytest.raises(DBAPIError, match="foreign key"):
        connection.exec_driver_sql("DELETE FROM kinds")
    engine.dispose()


# Any changes, one after the other in one transaction

Model = dict[str, list[Any]]
STEPS = ("add", "add filled", "add not null", "fill", "rename", "widen", "drop")


def apply_step(
    connection: Connection, model: Model, step: str, number: int, updated: set[str]
) -> None:
    """Change the table, and the model of its columns in the same way."""
    changes, name = Changes(), f"c{number}"
    others = [column for column in model if column != "k"]
    last = others[-1]
    if step == "add":
        changes.add_column(Column(name, String, server_default="d"))
        model[name] = ["d"] * len(model["k"])
    elif step.startswith("add "):
        changes.add_column(Column(name, String, nullable="not" not in step), fill="k || '!'")
        model[name] = [f"{key}!" for key in model["k"]]
    elif step == "fill":
        changes.fill(last, "k || '?'")
        model[last] = [f"{key}?" for key in model["k"]]
    elif step == "rename":
        changes.rename_column(last, name)
        items = [(name if old == last else old, values) for old, values in model.items()]
        model.clear()
        model.update(items)
    elif step == "widen":
        changes.change_type(last, String, using=f"{last} || ''")
    elif len(others) > 1:
        changes.drop_column(last)
        del model[last]
    alter_tables(connection, ["t"], changes, updated)


@examples(10)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=1, max_size=6),
    index=st.booleans(),
)
def test_any_changes_in_one_transaction_do_what_they_say(steps: list[str], index: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.db"
        engine = create_engine(f"duckdb+mixpanel:///{path}")
        keys = [f"k{number}" for number in range(20)]
        model: Model = {"first": ["f"] * 20, "k": keys, "x": ["x"] * 20}
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TABLE t AS SELECT 'f' AS first, 'k' || range AS k, 'x' AS x FROM range(20);"
                "ALTER TABLE t ADD PRIMARY KEY (k)" + ("; CREATE INDEX i ON t (k)" if index else "")
            )
        try:
            with engine.begin() as connection:
                updated: set[str] = set()
                for number, step in enumerate(steps):
                    apply_step(connection, model, step, number, updated)
            with engine.connect() as connection:
                rows = connection.execute(text("FROM t"))
                assert list(rows.keys()) == list(model)
                assert [tuple(row) for row in rows] == list(zip(*model.values(), strict=True))
                (key,) = inspect(connection).get_pk_constraint("t")["constrained_columns"]
                assert key == "k"
                names = [found["name"] for found in inspect(connection).get_indexes("t")]
                assert names == (["i"] if index else [])
            assert contents(engine) == contents_after_crash(path)
        finally:
            engine.dispose()
