"""Many rows in one statement have the same values as rows inserted one by one."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    create_engine,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mixpanel_data.dialect.bulk import bulk
from mixpanel_data.dialect.datatypes import Union
from tests.examples import examples

ROWS = 200


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None]
    properties: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class Node(Base):
    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))


class Counted(Base):
    __tablename__ = "counted"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def items(engine: Engine) -> Engine:
    Base.metadata.create_all(engine)
    return engine


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tells of every ``executemany()`` whether it was one statement over a batch."""
    seen: list[bool] = []
    prepare = bulk.prepare

    def watched(*args: Any) -> Any:
        made = prepare(*args)
        seen.append(made is not None)
        return made

    monkeypatch.setattr("mixpanel_data.dialect.driver.cursor.prepare", watched)
    return seen


def rows(count: int = ROWS) -> list[dict[str, Any]]:
    return [
        {"id": n, "name": f"item {n}", "properties": {"$n": n, "é": [n, None]}}
        for n in range(count)
    ]


HOW: dict[str, Callable[[Session], Any]] = {
    "insert of a model": lambda session: session.execute(insert(Item), rows()),
    "insert of a table": lambda session: session.connection().execute(insert(Item), rows()),
    "add_all": lambda session: session.add_all([Item(**row) for row in rows()]),
    "bulk_insert_mappings": lambda session: session.bulk_insert_mappings(Item.__mapper__, rows()),
}


@pytest.mark.parametrize("how", HOW)
def test_many_rows_are_one_statement_and_all_there(
    items: Engine, batches: list[bool], how: str
) -> None:
    with Session(items) as session:
        HOW[how](session)
        session.commit()
        assert batches == [True]
        query = select(Item.id, Item.name, Item.properties).order_by(Item.id)
        assert [row._asdict() for row in session.execute(query)] == rows()


@pytest.mark.skipif(
    bool(re.fullmatch(r"2\.0\.(1?\d|2[0-2])", sqlalchemy.__version__)),
    reason="SQLAlchemy has the option since 2.0.23",
)
def test_rows_with_nulls_are_one_statement_with_render_nulls(
    items: Engine, batches: list[bool]
) -> None:
    some = [{"id": n, "name": f"item {n}" if n % 3 else None} for n in range(ROWS)]
    with Session(items) as session:
        session.execute(insert(Item), some, execution_options={"render_nulls": True})
        session.commit()
        query = select(Item.id, Item.name).order_by(Item.id)
        assert [row._asdict() for row in session.execute(query)] == some
    assert batches == [True]


def test_the_rows_keep_their_order_and_a_sequence_counts_in_it(engine: Engine) -> None:
    many = 300_000
    with engine.begin() as connection:
        connection.execute(
            text("CREATE SEQUENCE s; CREATE TABLE t (i INTEGER DEFAULT nextval('s'), n INTEGER)")
        )
        result = connection.exec_driver_sql(
            "INSERT INTO t (n) VALUES ($1)", [(n,) for n in range(many)]
        )
        assert result.rowcount == many
        found = connection.execute(text("SELECT i, n FROM t ORDER BY rowid")).all()
    assert found == [(n + 1, n) for n in range(many)]


def test_objects_get_the_keys_that_a_sequence_gave_their_rows(
    items: Engine, batches: list[bool]
) -> None:
    objects = [Counted(name=f"item {n}") for n in reversed(range(5000))]
    with Session(items, expire_on_commit=False) as session:
        session.add_all(objects)
        session.flush()
        assert batches == [True]
        assert [made.id for made in objects] == list(range(1, 5001))
        session.commit()
        stored = session.execute(select(Counted.id, Counted.name).order_by(Counted.id)).all()
        assert stored == [(made.id, made.name) for made in objects]


@pytest.mark.parametrize("count", [2, bulk.LEAST_ROWS, 300_000])
def test_returning_keeps_the_order_of_the_rows(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("CREATE SEQUENCE s; CREATE TABLE t (i BIGINT DEFAULT nextval('s'), n BIGINT)")
        statement = "INSERT INTO t (n) VALUES ($1) RETURNING i, n"
        result = run(statement, [(n,) for n in range(count, 0, -1)])
        assert result.all() == [(count + 1 - n, n) for n in range(count, 0, -1)]


def test_rows_that_go_one_by_one_are_returned_in_order_too(
    engine: Engine, batches: list[bool]
) -> None:
    values = [{"a": n} for n in range(ROWS)]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (v STRUCT(a INTEGER))")
        result = connection.exec_driver_sql(
            "INSERT INTO t VALUES ($1) RETURNING v", [(value,) for value in values]
        )
        assert result.scalars().all() == values
    assert batches == [False]


def test_updates_and_deletes_of_many_rows_return_them(items: Engine) -> None:
    with items.begin() as connection:
        connection.execute(insert(Item), rows())
        table = Item.metadata.tables["items"]
        key = table.c.id == bindparam("key")
        renamed = update(table).where(key).values(name="new").returning(table.c.id, table.c.name)
        result = connection.execute(renamed, [{"key": 3}, {"key": ROWS}, {"key": 1}])
        assert result.all() == [(3, "new"), (1, "new")]
        gone = delete(table).where(key).returning(table.c.id)
        assert connection.execute(gone, [{"key": 7}, {"key": 5}]).scalars().all() == [7, 5]


def test_rows_with_different_columns_get_their_defaults(items: Engine) -> None:
    some = [{"id": n, "name": "x"} if n % 2 else {"id": n} for n in range(ROWS)]
    with Session(items) as session:
        session.execute(insert(Item), some)
        session.commit()
        assert session.scalar(select(func.count(Item.name))) == ROWS / 2


# The same values

_TIMES = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
_ZONES = st.sampled_from([dt.timezone.utc, dt.timezone(dt.timedelta(hours=-7, minutes=30))])
_AWARE = st.builds(lambda time, zone: time.replace(tzinfo=zone), _TIMES, _ZONES)
_CENTS = st.decimals(allow_nan=False, allow_infinity=False, places=2)
_DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3
)
VALUES: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "integers": ("HUGEINT", st.integers(-(2**126), 2**126)),
    "small integers": ("BIGINT", st.integers(-(2**63), 2**63 - 1)),
    "integers as text": ("VARCHAR", st.integers(-(2**127), 2**128 - 1)),
    "integers and floats": ("DOUBLE", st.integers(-(2**70), 2**70) | st.floats()),
    "numbers of any kind": ("VARCHAR", st.integers(-9, 2**40) | st.booleans() | _DECIMALS),
    "decimals": ("DECIMAL(38, 6)", _DECIMALS),
    "decimals of any scale": (
        "VARCHAR",
        _CENTS | _DECIMALS,
    ),
    "decimals as floats": ("DOUBLE", _DECIMALS),
    "text": ("VARCHAR", st.text(st.characters(exclude_categories=["Cs"]))),
    "bytes": ("BLOB", st.binary() | st.binary().map(bytearray)),
    "booleans": ("BOOLEAN", st.booleans()),
    "naive times": ("TIMESTAMP", _TIMES),
    "aware times": ("TIMESTAMPTZ", _AWARE),
    "aware times in a naive column": (
        "TIMESTAMP",
        _AWARE,
    ),
    "times of both kinds": (
        "VARCHAR",
        _TIMES | _AWARE,
    ),
    "dates": ("DATE", st.dates()),
    "dates and times": ("TIMESTAMP", st.dates(dt.date(1700, 1, 1)) | _TIMES),
    "times of day": ("TIME", st.times()),
    "intervals": ("INTERVAL", st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "intervals as text": ("VARCHAR", st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "ids": ("UUID", st.uuids()),
    "ids as text": ("VARCHAR", st.uuids()),
    "lists": ("BIGINT[]", st.lists(st.integers(-(2**63), 2**63 - 1) | st.none())),
    "lists of text": ("VARCHAR[]", st.lists(st.text(st.characters(exclude_categories=["Cs"])))),
    "lists of lists": ("INTEGER[][]", st.lists(st.lists(st.integers(0, 9)))),
    "structs": ("STRUCT(a INTEGER)", st.fixed_dictionaries({"a": st.integers(0, 9)})),
    "JSON": ("JSON", st.sampled_from(['{"a": 1}', "[1, 2]", "null", '"x"', "1e400"])),
}


@pytest.mark.parametrize("name", VALUES)
def test_the_values_are_those_that_single_rows_would_have(name: str) -> None:
    type_, strategy = VALUES[name]
    engine = create_engine("duckdb+mixpanel:///:memory:")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE many (n INTEGER, v {type_})")
        connection.exec_driver_sql(f"CREATE TABLE single (n INTEGER, v {type_})")

    @examples(10)
    @given(st.lists(strategy | st.none(), min_size=1, max_size=8))
    def check(values: list[Any]) -> None:
        repeated = values * (bulk.LEAST_ROWS // len(values) + 1)
        parameters = list(enumerate(repeated))
        with engine.begin() as connection:
            run = connection.exec_driver_sql
            run("DELETE FROM many")
            run("DELETE FROM single")
            run("INSERT INTO many VALUES ($1, $2)", parameters)
            for start in range(0, len(values)):
                run("INSERT INTO single VALUES ($1, $2)", parameters[start])
            read = "SELECT v, v::VARCHAR, typeof(v) FROM {} ORDER BY n LIMIT {}"
            many = run(read.format("many", len(values))).all()
            assert repr(many) == repr(run(read.format("single", len(values))).all())

    check()
    engine.dispose()


SCALARS: dict[str, tuple[str, list[Any], list[Any]]] = {
    "numbers": ("DOUBLE", [np.int8(3), np.float16(0.5), np.longdouble(2), None], [3, 0.5, 2, None]),
    "large integers": ("UBIGINT", [np.uint64(2**64 - 1)], [2**64 - 1]),
    "truth": ("BOOLEAN", [np.True_, None], [True, None]),
    "text": ("VARCHAR", [np.str_("a")], ["a"]),
    "bytes": ("BLOB", [np.bytes_(b"a")], [b"a"]),
    "times": (
        "TIMESTAMP",
        [
            np.datetime64("2025-01-31T12:00", "ns"),
            np.datetime64("2025-01-31"),
            np.datetime64("NaT", "us"),
        ],
        [dt.datetime(2025, 1, 31, 12), dt.datetime(2025, 1, 31), None],
    ),
    "durations": ("INTERVAL", [np.timedelta64(1500, "ns")], [dt.timedelta(microseconds=1)]),
    "numbers in lists": ("INTEGER[]", [[np.int64(1), None, np.int64(2)]], [[1, None, 2]]),
    "numbers in structs": ("STRUCT(a INTEGER)", [{"a": np.int64(1)}], [{"a": 1}]),
}


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("count", [1, bulk.LEAST_ROWS])
def test_scalars_of_numpy_are_python_values(engine: Engine, name: str, count: int) -> None:
    type_, values, expected = SCALARS[name]
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run(f"CREATE TABLE t (v {type_})")
        run("INSERT INTO t VALUES ($1)", [(value,) for value in values * count])
        for value in values:
            run("INSERT INTO t VALUES ($1)", (value,))
        assert run("SELECT v FROM t").scalars().all() == expected * (count + 1)


def test_a_scalar_of_numpy_can_be_compared_with_a_column(engine: Engine) -> None:
    item = Table("numbered", MetaData(), Column("id", Integer, primary_key=True))
    with engine.begin() as connection:
        item.create(connection)
        connection.execute(insert(item), [{"id": number} for number in np.arange(20)])
        connection.execute(insert(item).values(id=np.int64(20)))
        found = select(item.c.id).where(item.c.id == np.int64(20), item.c.id > np.float32(1.5))
        assert connection.scalars(found).all() == [20]
        among = select(item.c.id).where(item.c.id.in_(np.arange(3, 5)))
        assert connection.scalars(among).all() == [3, 4]


ODD: dict[str, tuple[str, list[Any]]] = {
    "dicts": ("STRUCT(a INTEGER)", [{"a": 1}, None]),
    "tuples": ("VARCHAR", [("a", "b")]),
    "times of day with a zone": ("TIMETZ", [dt.time(1, 2, tzinfo=dt.timezone.utc)]),
    "numbers that are no number": ("DOUBLE", [Decimal("NaN"), Decimal("1.5")]),
    "very long decimals": ("DOUBLE", [Decimal("1" * 45)]),
    "mixed lists": ("DOUBLE[]", [[1, 2.5], [3]]),
    "lists of ids": ("UUID[]", [[uuid.UUID(int=1)]]),
    "empty lists": ("INTEGER[]", [[], None]),
    "subclasses": ("TIMESTAMP", [pd.Timestamp("2025-01-01")]),
    "nothing": ("INTEGER", [None]),
}


@pytest.mark.parametrize("name", ODD)
def test_values_without_an_exact_type_go_row_by_row(
    engine: Engine, batches: list[bool], name: str
) -> None:
    type_, values = ODD[name]
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run(f"CREATE TABLE t (v {type_})")
        run("INSERT INTO t VALUES ($1)", [(value,) for value in values * ROWS])
        assert batches == [False]
        one = run("SELECT v FROM t LIMIT ?", (len(values),)).all()
        run("DELETE FROM t")
        for value in values:
            run("INSERT INTO t VALUES ($1)", (value,))
        assert repr(run("SELECT v FROM t").all()) == repr(one)


UNIONS: dict[str, tuple[str, list[Any]]] = {
    "members of several types": ("UNION(i INTEGER, s VARCHAR)", [1, "x", None]),
    "nulls beside one type": ("UNION(i INTEGER, s VARCHAR)", [1, None]),
    "dates and decimals": (
        "UNION(d DATE, n DECIMAL(9, 2))",
        [dt.date(2025, 1, 31), Decimal("1.5")],
    ),
    "two kinds of numbers": ("UNION(i INTEGER, f DOUBLE)", [1, 1.5]),
    "small and large numbers": ("UNION(i INTEGER, b BIGINT)", [1, 2**40]),
    "lists of members": ("UNION(i INTEGER, s VARCHAR)[]", [[1, None], [2], None]),
}


@pytest.mark.parametrize("name", UNIONS)
def test_unions_keep_the_member_of_every_row(
    engine: Engine, batches: list[bool], name: str
) -> None:
    type_, values = UNIONS[name]
    read = "SELECT v, v IS NULL, v::VARCHAR, typeof(v) FROM t ORDER BY n"
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run(f"CREATE TABLE t (n INTEGER PRIMARY KEY, v {type_})")
        parameters = list(enumerate(values * bulk.LEAST_ROWS))
        for row in parameters:
            run("INSERT INTO t VALUES ($1, $2)", row)
        single = run(read).all()
        assert [value for value, *_ in single] == values * bulk.LEAST_ROWS
        run("DELETE FROM t")
        run("INSERT INTO t (n, v) VALUES ($1, $2)", parameters)
        assert run(read).all() == single
        run("UPDATE t SET v = $2 WHERE n = $1", [(n, values[0]) for n, _ in parameters])
        again = [(value, n) for n, value in parameters]
        run("UPDATE t SET v = $1 WHERE n = $2", again)
        assert run(read).all() == single
        run("UPDATE t SET v = $1", (values[0],))
        upsert = "INSERT INTO t VALUES ($1, $2) ON CONFLICT (n) DO UPDATE SET v = excluded.v"
        run(upsert, parameters)
        assert run(read).all() == single
        assert batches == [False] * 4


def test_unions_of_a_model_are_returned_as_they_went_in(engine: Engine) -> None:
    kinds = Union({"number": Integer, "text": String})
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True), Column("v", kinds))
    values = [[1, "x"][n % 2] for n in range(bulk.LEAST_ROWS)]
    with engine.begin() as connection:
        table.create(connection)
        rows = [{"id": n, "v": value} for n, value in enumerate(values)]
        returned = connection.scalars(insert(table).returning(table.c.v), rows)
        assert returned.all() == values
        assert connection.scalars(select(table.c.v).order_by(table.c.id)).all() == values


def test_columns_may_have_any_names_and_the_table_an_alias_of_ours(
    engine: Engine, batches: list[bool]
) -> None:
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run('CREATE TABLE keys (columns INTEGER, "a, ""B""" VARCHAR, other UNION(i INTEGER))')
        rows = [(n, [n, "x"][n % 2]) for n in range(ROWS)]
        run('INSERT INTO keys ("COLUMNS", "a, ""b""") VALUES ($1, $2)', rows)
        assert run("SELECT * FROM keys ORDER BY 1").all() == [(n, str(v), None) for n, v in rows]
        assert batches == [True]


# Statements

STATEMENTS = {
    "INSERT INTO t (a, b) VALUES ($1, $2)": True,
    "INSERT INTO t (b, a) VALUES ($2, $1)": True,
    "insert into t (a, b) values (?, ?)": True,
    'INSERT INTO main."t" ("a", b)\nVALUES ($1,$2)': True,
    "INSERT INTO t (a, b) VALUES (CAST($1 AS INTEGER), $2::VARCHAR)": True,
    "INSERT INTO t (a, b, c) VALUES ($1, $2, lower('A, (B'))": True,
    "INSERT OR IGNORE INTO t (a, b) VALUES ($1, $2)": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO NOTHING": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) RETURNING a": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) RETURNING a, 'returning $1' || b": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING *": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) -- a comment": False,
    "INSERT INTO t (a, b) VALUES ($1, upper($2))": False,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = excluded.b": True,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = excluded.b "
    "RETURNING a": False,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = $2": False,
    "INSERT INTO t (a, b) VALUES ($1, $2) ON CONFLICT (a) DO UPDATE SET b = t.b || t.c": False,
    "INSERT OR REPLACE INTO t (a, b) VALUES ($1, $2)": False,
    "INSERT INTO t (a, b) SELECT $1, $2": False,
    "INSERT INTO t (a, b) VALUES ($1, $2), (-$1 - 1, $2)": False,
    "WITH x AS (SELECT 1) INSERT INTO t (a, b) VALUES ($1, $2)": False,
}


@pytest.mark.parametrize(("statement", "at_once"), STATEMENTS.items())
def test_a_statement_does_the_same_with_many_rows_as_with_one(
    engine: Engine, batches: list[bool], statement: str, at_once: bool
) -> None:
    parameters = [(n, f"text {n}") for n in range(ROWS)]
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        run("CREATE TABLE t (a INTEGER PRIMARY KEY, b VARCHAR, c VARCHAR DEFAULT 'd')")
        run(statement, parameters)
        assert batches == [at_once]
        many = run("SELECT * FROM t ORDER BY a").all()
        run("DELETE FROM t")
    with engine.begin() as connection:
        for row in parameters:
            connection.exec_driver_sql(statement, row)
        assert connection.exec_driver_sql("SELECT * FROM t ORDER BY a").all() == many
        assert len(many) >= ROWS


def test_the_first_row_of_a_key_stays_where_conflicts_do_nothing(items: Engine) -> None:
    many = [{"id": n // 2, "name": str(n)} for n in range(10_000)]
    with Session(items) as session:
        session.execute(upsert(Item).on_conflict_do_nothing(), many)
        session.commit()
        names = session.scalars(select(Item.name).order_by(Item.id)).all()
    assert names == [str(2 * n) for n in range(5000)]


def test_an_upsert_takes_the_last_row_of_a_key(items: Engine) -> None:
    many = [{"id": n // 2, "name": str(n)} for n in range(ROWS)]
    with Session(items) as session:
        statement = upsert(Item)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["id"], set_={"name": statement.excluded.name}
            ),
            many,
        )
        session.commit()
        names = session.scalars(select(Item.name).order_by(Item.id)).all()
    assert names == [str(2 * n + 1) for n in range(ROWS // 2)]


def test_an_upsert_of_different_keys_is_one_statement(items: Engine, batches: list[bool]) -> None:
    statement = upsert(Item)
    statement = statement.on_conflict_do_update(
        index_elements=["id"], set_={"name": statement.excluded.name}
    )
    with Session(items) as session:
        session.execute(insert(Item), [{"id": n, "name": "old"} for n in range(0, ROWS, 2)])
        session.execute(statement, [{"id": n, "name": f"item {n}"} for n in range(1, ROWS)])
        session.commit()
        names = session.scalars(select(Item.name).order_by(Item.id)).all()
    assert batches == [True, True]
    assert names == ["old", *[f"item {n}" for n in range(1, ROWS)]]


def test_changed_objects_are_one_update(items: Engine, batches: list[bool]) -> None:
    with Session(items) as session:
        session.execute(insert(Item), rows())
        for item in session.scalars(select(Item)):
            item.name = f"new {item.id}" if item.id else None
            item.properties = {"$n": [item.id]}
        session.commit()
        assert batches == [True, True]
        query = select(Item.id, Item.name, Item.properties).order_by(Item.id)
        assert session.execute(query).all() == [
            (n, f"new {n}" if n else None, {"$n": [n]}) for n in range(ROWS)
        ]


def test_a_bulk_update_by_primary_key_is_one_statement(items: Engine, batches: list[bool]) -> None:
    with Session(items) as session:
        session.execute(insert(Item), rows())
        session.execute(update(Item), [{"id": n, "name": f"new {n}"} for n in range(0, ROWS, 2)])
        session.commit()
        assert batches == [True, True]
        names = session.scalars(select(Item.name).order_by(Item.id)).all()
    assert names == [f"item {n}" if n % 2 else f"new {n}" for n in range(ROWS)]


UPDATES = {
    "UPDATE t SET b = $1 WHERE a = $2": True,
    "update main.t set b=?, c=lower('A, B') where t.a=?": True,
    'UPDATE "t" SET "b" = CAST($1 AS VARCHAR), n = n + 1 WHERE "t"."a" = $2::INTEGER': True,
    "UPDATE t SET b = $1 WHERE n = $2": True,
    "UPDATE t AS u SET b = $1 WHERE a = $2": False,
    "UPDATE t SET b = $1 WHERE a = $2 AND c = 'd'": False,
    "UPDATE t SET b = $1 WHERE a = $2 OR a = $2 + 1": False,
    "UPDATE t SET b = $1 WHERE a > $2": False,
    "UPDATE t SET b = upper($1) WHERE a = $2": False,
    "UPDATE t SET b = (SELECT max(b) || $1 FROM t) WHERE a = $2": False,
    "UPDATE t SET n = n + 1, b = $1 WHERE n = $2": False,
    "UPDATE t SET k = $1 WHERE a = $2": False,
    "UPDATE t SET b = $1 WHERE a = $2 RETURNING a": False,
    "UPDATE t SET b = $1 FROM (SELECT 1 AS x) AS o WHERE a = $2": False,
}


@pytest.mark.parametrize(("statement", "at_once"), UPDATES.items())
def test_an_update_does_the_same_with_many_rows_as_with_one(
    engine: Engine, batches: list[bool], statement: str, at_once: bool
) -> None:
    parameters = [(f"text {n}", n) for n in range(0, ROWS, 3)]
    results = []
    with engine.begin() as connection:
        run = connection.exec_driver_sql
        for many in (True, False):
            run(
                "CREATE OR REPLACE TABLE t "
                "(a INTEGER, b VARCHAR, c VARCHAR, n INTEGER, k VARCHAR UNIQUE)"
            )
            run(f"INSERT INTO t SELECT a, 'b', 'd', a // 2, a FROM range({ROWS}) AS r(a)")
            for some in [parameters] if many else parameters:
                run(statement, some)
            results.append(run("SELECT * FROM t ORDER BY a").all())
    assert batches == [at_once]
    assert results[0] == results[1]


def test_several_updates_of_one_row_happen_in_their_order(items: Engine) -> None:
    with items.begin() as connection:
        run = connection.exec_driver_sql
        run("CREATE TABLE t (a VARCHAR COLLATE NOCASE, b INTEGER)")
        run("INSERT INTO t VALUES ('x', 0)")
        result = run("UPDATE t SET b = $1 WHERE a = $2", [(n, "xX"[n % 2]) for n in range(ROWS)])
        assert result.rowcount == ROWS
        assert run("SELECT * FROM t").all() == [("x", ROWS - 1)]


@pytest.mark.parametrize("returning", [False, True])
def test_rows_that_refer_to_earlier_ones_of_their_table_go_row_by_row(
    items: Engine, batches: list[bool], returning: bool
) -> None:
    statement = insert(Node).returning(Node.id) if returning else insert(Node)
    with Session(items) as session:
        chain = [{"id": n, "parent_id": n - 1 if n else None} for n in range(ROWS)]
        session.execute(statement, chain)
        session.commit()
        assert batches == [False]
        assert session.scalar(select(func.count()).select_from(Node)) == ROWS


def test_a_failed_bulk_insert_leaves_nothing_and_a_usable_connection(items: Engine) -> None:
    with items.connect() as connection:
        for _ in range(3):
            with pytest.raises(Exception, match="uplicate key"):
                connection.execute(insert(Item), [*rows(), rows()[0]])
            connection.rollback()
        assert connection.scalar(select(func.count()).select_from(Item)) == 0
        views = text("SELECT count(*) FROM duckdb_views() WHERE view_name LIKE '%batch%'")
        assert connection.scalar(views) == 0
        connection.execute(insert(Item), rows())
        assert connection.scalar(views) == 0


def test_a_result_that_is_being_read_survives_a_bulk_insert(items: Engine) -> None:
    with items.connect() as connection:
        result = connection.execute(text("SELECT * FROM range(10000)"))
        result.fetchone()
        connection.execute(insert(Item), rows())
        assert len(result.fetchall()) == 9999


# pandas


def frame(count: int = 5000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": range(count),
            "x": [n / 3 if n % 7 else None for n in range(count)],
            "name": [f"name {n}" if n % 5 else None for n in range(count)],
            "at": pd.date_range("2025-01-01", periods=count, freq="s"),
            "flag": [n % 2 == 0 for n in range(count)],
        }
    )


def values_of(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if pd.isna(value) else value for value in row] for row in frame.to_numpy()]


def test_a_data_frame_goes_in_as_one_statement_and_comes_back(
    engine: Engine, batches: list[bool]
) -> None:
    sent = frame()
    assert sent.to_sql("frames", engine, index=False) in (len(sent), None)
    assert batches == [True]
    back = pd.read_sql("SELECT * FROM frames ORDER BY n", engine)
    assert list(back.columns) == list(sent.columns)
    assert values_of(back) == values_of(sent)
    assert str(back["at"].dtype).startswith("datetime64")


def test_a_data_frame_is_appended_and_read_in_chunks(engine: Engine) -> None:
    sent = frame(1000)
    sent.to_sql("frames", engine, index=False, chunksize=300)
    sent.to_sql("frames", engine, index=False, if_exists="append")
    with engine.connect() as connection:
        chunks = list(pd.read_sql_table("frames", connection, chunksize=600))
    assert [len(chunk) for chunk in chunks] == [600, 600, 600, 200]
    assert sum(chunk["n"].sum() for chunk in chunks) == 2 * sent["n"].sum()
