"""INSERT, UPDATE, DELETE and related statements, as SQLAlchemy renders them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
import sqlalchemy
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    column,
    delete,
    func,
    insert,
    inspect,
    literal,
    literal_column,
    select,
    table,
    tablesample,
    text,
    update,
    values,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import CompileError, DBAPIError, IntegrityError

from tests.engines import open_engine

STOCK = Table(
    "stock",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("amount", Integer, server_default="0"),
    UniqueConstraint("name"),
)
NAME, AMOUNT = STOCK.c.name, STOCK.c.amount


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database with an empty table."""
    with open_engine() as engine:
        STOCK.create(engine)
        yield engine


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection to a table of apples and pears; what it does is rolled back."""
    with engine.connect() as connection:
        rows = [{"name": "apple", "amount": 1}, {"name": "pear", "amount": 2}]
        connection.execute(insert(STOCK), rows)
        yield connection


def stock(connection: Connection) -> dict[str, int]:
    found = connection.execute(select(NAME, AMOUNT).order_by(NAME))
    return {row.name: row.amount for row in found}


def test_every_change_can_return_rows(connection: Connection) -> None:
    added = insert(STOCK).values(name="fig").returning(NAME, AMOUNT + 1)
    assert connection.execute(added).all() == [("fig", 1)]
    changed = update(STOCK).where(AMOUNT > 0).values(amount=AMOUNT * 10).returning(NAME, AMOUNT)
    assert sorted(connection.execute(changed).all()) == [("apple", 10), ("pear", 20)]
    gone = delete(STOCK).where(NAME == "fig").returning(STOCK)
    assert [row.name for row in connection.execute(gone)] == ["fig"]


@pytest.mark.skipif(
    sqlalchemy.__version__ == "2.0.0", reason="sort_by_parameter_order is new in SQLAlchemy 2.0.10"
)
def test_many_rows_are_returned_in_the_order_they_were_given(connection: Connection) -> None:
    rows = [{"name": f"n{number}", "amount": number} for number in range(200)]
    statement = insert(STOCK).returning(STOCK.c.id, AMOUNT, sort_by_parameter_order=True)
    found = connection.execute(statement, rows).all()
    assert [row.amount for row in found] == list(range(200))
    assert len({row.id for row in found}) == 200


def test_a_conflict_can_be_ignored(connection: Connection) -> None:
    for statement in (
        upsert(STOCK).on_conflict_do_nothing(),
        upsert(STOCK).on_conflict_do_nothing(index_elements=[NAME]),
    ):
        connection.execute(statement, [{"name": "apple", "amount": 9}])
    ignored = upsert(STOCK).values(name="apple").on_conflict_do_nothing().returning(NAME)
    assert connection.execute(ignored).all() == []
    assert stock(connection) == {"apple": 1, "pear": 2}


@pytest.mark.parametrize(
    "convention", [{}, {"pk": "pk_%(table_name)s", "uq": "uq_%(column_0_name)s"}]
)
def test_a_conflict_can_be_named_by_its_constraint(
    engine: Engine, convention: dict[str, str]
) -> None:
    models = MetaData(naming_convention=convention)
    named: Any = UniqueConstraint("a", "b", name="named")
    columns = [Column(name, Integer) for name in ("a", "b")]
    goods = Table(
        "goods", models, Column("id", Integer, primary_key=True), *columns, named,
        Column("code", Integer, unique=True),
    )  # fmt: skip
    names = [goods.primary_key, "goods_pkey", named, "named", "goods_a_b_key", "goods_code_key"]
    names += ["pk_goods", "uq_code"] if convention else []
    with engine.connect() as connection:
        models.create_all(connection)
        row = {"id": 1, "a": 2, "b": 3, "code": 4}
        connection.execute(insert(goods), row)
        for name in names:
            do_nothing = upsert(goods).on_conflict_do_nothing(constraint=name)
            connection.execute(do_nothing, row)
            do_update = upsert(goods).on_conflict_do_update(constraint=name, set_={"id": 1})
            connection.execute(do_update, row)
        with pytest.raises(CompileError, match=r"'goods'.*'other'.*index_elements=\[\.\.\.\]"):
            connection.execute(upsert(goods).on_conflict_do_nothing(constraint="other"), row)
        assert connection.execute(select(goods)).all() == [(1, 2, 3, 4)]


def test_a_column_that_returning_cannot_have_says_where_it_is(connection: Connection) -> None:
    other = STOCK.alias("other")
    changed = update(STOCK).values(amount=other.c.amount).where(other.c.name == NAME)
    with pytest.raises(DBAPIError, match="RETURNING has columns of the changed table only"):
        connection.execute(changed.returning(other.c.amount))


def test_a_conflict_can_update(connection: Connection) -> None:
    statement = upsert(STOCK)
    statement = statement.on_conflict_do_update(
        index_elements=["name"],
        set_={"amount": STOCK.c.amount + statement.excluded.amount},
        where=STOCK.c.amount < 2,
    )
    rows = [{"name": "apple", "amount": 5}, {"name": "pear", "amount": 5}]
    connection.execute(statement, rows)
    assert stock(connection) == {"apple": 6, "pear": 2}


def test_a_conflict_without_a_clause_is_an_integrity_error(connection: Connection) -> None:
    with pytest.raises(IntegrityError):
        connection.execute(insert(STOCK).values(name="apple"))


def test_rows_are_inserted_from_a_query(connection: Connection) -> None:
    source = select(NAME + " tree", AMOUNT).where(AMOUNT > 1)
    connection.execute(insert(STOCK).from_select(["name", "amount"], source))
    assert stock(connection) == {"apple": 1, "pear": 2, "pear tree": 2}


def test_default_values_alone_make_a_row(connection: Connection) -> None:
    key = connection.execute(insert(STOCK)).inserted_primary_key
    assert key is not None
    assert connection.scalar(select(AMOUNT).where(STOCK.c.id == key[0])) == 0


def test_rows_are_changed_by_those_of_another_query(connection: Connection) -> None:
    new = values(Column("name", String), Column("amount", Integer), name="new").data([("pear", 7)])
    connection.execute(update(STOCK).where(new.c.name == NAME).values(amount=new.c.amount))
    assert stock(connection) == {"apple": 1, "pear": 7}
    connection.execute(delete(STOCK).where(new.c.name == NAME))
    assert stock(connection) == {"apple": 1}


@pytest.mark.skipif(duckdb.__version__ < "2", reason='DuckDB 1.5 says "A CTE needs a SELECT"')
def test_a_change_can_be_part_of_a_query(connection: Connection) -> None:
    gone = delete(STOCK).where(AMOUNT == 1).returning(NAME).cte("gone")
    assert connection.scalars(select(gone.c.name)).all() == ["apple"]


def test_regular_expressions_search(connection: Connection) -> None:
    found = select(NAME).order_by(NAME)
    assert connection.scalars(found.where(NAME.regexp_match("pp"))).all() == ["apple"]
    assert connection.scalars(found.where(NAME.regexp_match("PP", flags="i"))).all() == ["apple"]
    assert connection.scalars(found.where(~NAME.regexp_match("pp"))).all() == ["pear"]
    replaced = NAME.regexp_replace("p+", "P")
    assert connection.scalars(select(replaced).order_by(NAME)).all() == ["aPle", "Pear"]


@pytest.mark.skipif(not hasattr(STOCK.c.id, "bitwise_or"), reason="new in SQLAlchemy 2.0.2")
def test_bits_are_combined(connection: Connection) -> None:
    six, three = literal_column("6", Integer), literal_column("3", Integer)
    combined = [
        six.bitwise_and(three),
        six.bitwise_or(three),
        six.bitwise_xor(three),
        six.bitwise_lshift(1),
        six.bitwise_rshift(1),
        six.bitwise_not(),
    ]
    assert connection.execute(select(*combined)).one() == (2, 7, 5, 12, 3, -7)


def test_the_first_rows_are_fetched_by_number_or_share(connection: Connection) -> None:
    found = select(NAME).order_by(NAME)
    assert connection.scalars(found.fetch(1)).all() == ["apple"]
    assert connection.scalars(found.offset(1).fetch(1)).all() == ["pear"]
    assert connection.scalars(found.offset(1)).all() == ["pear"]
    assert connection.scalars(found.fetch(50, percent=True)).all() == ["apple"]
    with pytest.raises(CompileError, match="rank"):
        connection.execute(found.fetch(1, with_ties=True))


def test_a_table_is_sampled_by_share_or_number(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE many AS SELECT n FROM range(100000) AS r(n)"))
    many = table("many", column("n", Integer))

    def count(sampling: Any, **options: Any) -> int:
        sample = tablesample(many, sampling, **options)
        return connection.execute(select(func.count(sample.c.n))).scalar_one()

    assert 0 < count(50) < 100_000
    assert 8_000 < count(func.bernoulli(10)) < 12_000
    assert count(func.reservoir(7)) == 7
    assert count(func.reservoir(text("10 PERCENT"))) == 10_000
    assert count(func.system(100)) == 100_000
    assert count(func.bernoulli(0.0)) == 0
    sample = tablesample(many, func.bernoulli(1.5), name="s", seed=literal(3))
    repeated = [connection.scalars(select(sample.c.n).order_by(sample.c.n)).all() for _ in "ab"]
    assert repeated[0] == repeated[1] != []


def test_extensions_of_sql_by_duckdb_can_be_used(connection: Connection) -> None:
    lists = select(func.list(NAME.op("||")("s")), func.max(AMOUNT)).select_from(STOCK)
    names, most = connection.execute(lists).one()
    assert (sorted(names), most) == (["apples", "pears"], 2)
    summed = text("SELECT * FROM (SUMMARIZE stock)")
    assert len(connection.execute(summed).all()) == 3
    merged = """
        MERGE INTO stock USING (SELECT 'pear' AS name, 5 AS amount) AS new USING (name)
        WHEN MATCHED THEN UPDATE SET amount = new.amount
    """
    connection.execute(text(merged))
    assert stock(connection) == {"apple": 1, "pear": 5}


def test_temporary_tables_belong_to_their_connection(engine: Engine) -> None:
    table = Table("mine", MetaData(), Column("x", Integer), prefixes=["TEMPORARY"])
    with engine.connect() as one, engine.connect() as other:
        table.create(one)
        one.execute(insert(table).values(x=1))
        one.commit()
        assert inspect(one).get_temp_table_names() == ["mine"]
        assert not inspect(other).has_table("mine")
        table.drop(one)
        one.commit()


def test_tables_live_in_schemas_and_attached_databases(connection: Connection) -> None:
    connection.commit()
    connection.execute(text("CREATE SCHEMA sales"))
    connection.execute(text("ATTACH ':memory:' AS \"other db\""))
    for schema in ("sales", "other db.main"):
        connection.commit()  # one transaction writes to one database
        table = STOCK.to_metadata(MetaData(), schema=schema)
        table.create(connection)
        connection.execute(insert(table).values(name=schema))
        joined = select(table.c.name).outerjoin(STOCK, table.c.name == NAME)
        assert connection.scalars(joined).all() == [schema]
        translated = connection.execution_options(schema_translate_map={None: schema})
        assert translated.scalars(select(NAME)).all() == [schema]
        connection.execution_options(schema_translate_map={})
        table.drop(connection)
    connection.commit()
    connection.execute(text('DETACH "other db"'))
    connection.execute(delete(STOCK))
    connection.commit()


def test_a_view_is_queried_and_reflected(connection: Connection) -> None:
    connection.execute(
        text("CREATE VIEW plenty AS SELECT name, amount FROM stock WHERE amount > 1")
    )
    view = Table("plenty", MetaData(), autoload_with=connection)
    assert connection.execute(select(view)).all() == [("pear", 2)]
    assert inspect(connection).get_view_names() == ["plenty"]
    definition = inspect(connection).get_view_definition("plenty") or ""
    connection.execute(text("DROP VIEW plenty"))
    connection.exec_driver_sql(definition)
    assert connection.execute(select(view)).all() == [("pear", 2)]
