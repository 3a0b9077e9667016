"""Names and values that look like SQL stay names and values, wherever the dialect writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from hypothesis import assume, given
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Enum,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    insert,
    inspect,
    literal,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from mixpanel_data.dialect.alembic.altering import alter_tables
from mixpanel_data.dialect.alembic.changes import Changes
from mixpanel_data.dialect.sql.names import fold
from mixpanel_data.dialect.sql.parsing import join_schema
from tests.engines import open_engine
from tests.examples import examples
from tests.hostile import catalog, names, texts, utf8

ordinary = examples(8)
pytestmark = pytest.mark.skipif(
    sqlalchemy.__version__ < "2.1",
    reason="SQLAlchemy 2.0.0 takes parts of names, such as %(name)s, for its own parameters, and "
    "DuckDB 1.5 does not find a sequence where its name and that of its schema have quotes",
)
several = st.lists(names, min_size=6, max_size=6, unique_by=fold)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with open_engine() as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE canary AS SELECT 42 AS alive")
        yield engine


def catalog_and_canary(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Return the catalog and the canary, as the transaction of the connection sees them."""
    driver: Any = connection.connection.driver_connection
    return catalog(driver) | {"canary": driver.execute("SELECT * FROM canary").fetchall()}


@ordinary
@given(found=several, value=utf8, comment=names)
def test_tables_with_any_names_are_made_filled_read_and_dropped(
    engine: Engine, found: list[str], value: str, comment: str
) -> None:
    table_name, *columns, index_name = found
    key, body, other, total = columns
    assume(fold(table_name) != "canary")
    table = Table(
        table_name,
        MetaData(),
        Column(key, Integer, primary_key=True),
        Column(body, String, comment=comment, server_default=comment),
        Column(other, JSON),
        Column(total, Integer),
        UniqueConstraint(total),
        comment=comment,
    )
    Index(index_name, table.c[body], table.c[total])
    with engine.connect() as connection:
        before = catalog_and_canary(connection)
        table.create(connection)
        connection.execute(insert(table).values({key: 1, body: value, other: {value: value}}))
        connection.execute(insert(table).values({key: 2, total: 5}))
        many = [{key: n, body: value, other: [value], total: n} for n in range(10, 110)]
        connection.execute(insert(table), many)
        # The key, values and members come back exactly, whatever their names.
        first = select(table.c[body], table.c[other][value]).where(table.c[body] == value)
        assert tuple(connection.execute(first).first() or ()) == (value, value)
        assert connection.scalar(select(table.c[body]).where(table.c[key] == 2)) == comment
        labelled = select(table.c[body].label(index_name)).where(table.c[key] == 50)
        assert connection.execute(labelled).mappings().one() == {index_name: value}
        # Reflection finds what was declared, and what it finds can be made again.
        reflected = Table(table_name, MetaData(), autoload_with=connection)
        assert reflected.c.keys() == [key, body, other, total]
        assert (reflected.comment, reflected.c[body].comment) == (comment, comment)
        assert [index.name for index in reflected.indexes] == [index_name]
        inspector = inspect(connection)
        assert inspector.get_pk_constraint(table_name)["constrained_columns"] == [key]
        assert inspector.get_unique_constraints(table_name)[0]["column_names"] == [total]
        reflected.drop(connection)
        reflected.create(connection)
        connection.execute(insert(reflected).values({key: 1}))
        assert connection.scalar(select(reflected.c[body])) == comment
        table.drop(connection)
        assert catalog_and_canary(connection) == before


@ordinary
@given(name=names, table_name=names)
def test_schemas_have_any_name(engine: Engine, name: str, table_name: str) -> None:
    schema = join_schema(name)
    with engine.connect() as connection:
        before = catalog_and_canary(connection)
        assume(fold(name) not in {"main", "temp", "memory", "information_schema", "pg_catalog"})
        connection.execute(CreateSchema(schema))
        table = Table(table_name, MetaData(schema=schema), Column("id", Integer, primary_key=True))
        table.create(connection)
        connection.execute(insert(table), [{"id": 7}])
        assert connection.scalar(select(table.c.id)) == 7
        assert inspect(connection).get_table_names(schema) == [table_name]
        assert inspect(connection).has_table(table_name, schema)
        added = {
            what: len(now) - len(before[what])
            for what, now in catalog_and_canary(connection).items()
        }
        assert {what: n for what, n in added.items() if n} == {"schemas": 1, "tables": 1} | (
            {"sequences": 1}
        )
        connection.rollback()
        assert catalog_and_canary(connection) == before


@ordinary
@given(value=texts, path=st.lists(texts, min_size=1, max_size=3))
def test_values_written_into_the_sql_come_back_or_are_refused(
    engine: Engine, value: str, path: list[str]
) -> None:
    document = {path[0]: value}
    queries = [
        (select(literal(value, String)), value),
        (select(literal(document, JSON)[path[0]].as_string()), value),
        (select(literal(document, JSON)[tuple(path[:1])].as_string()), value),
        (select(literal("a", String).regexp_match("^" + "a", flags="i")), True),
    ]
    for query, expected in queries:
        for options in ({}, {"literal_binds": True}):
            with engine.connect() as connection:
                before = catalog_and_canary(connection)
                try:
                    compiled = query.compile(engine, compile_kwargs=options)
                    got = (
                        connection.exec_driver_sql(str(compiled)).scalar()
                        if options
                        else connection.scalar(query)
                    )
                except (DBAPIError, UnicodeEncodeError, TypeError):
                    assert not is_plain(value + path[0])
                else:
                    assert got == expected
                connection.rollback()
                assert catalog_and_canary(connection) == before


def is_plain(value: str) -> bool:
    """Tell whether DuckDB's parser takes a text: it stops at a NUL, and takes UTF-8 only."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


@ordinary
@given(values=st.lists(names, min_size=1, max_size=4, unique=True), column=names)
def test_enums_and_checks_take_any_value(engine: Engine, values: list[str], column: str) -> None:
    table = Table(
        "choices",
        MetaData(),
        Column(column, Enum(*values), server_default=values[-1]),
        Column("checked" if fold(column) != "checked" else "other", String),
    )
    table.append_constraint(CheckConstraint(table.c[1] != literal(values[0], String)))
    with engine.connect() as connection:
        before = catalog_and_canary(connection)
        table.create(connection)
        rows = [{column: value, table.c[1].name: value + "!"} for value in values]
        connection.execute(insert(table), rows)
        assert list(connection.scalars(select(table.c[column]))) == values
        found = Table("choices", MetaData(), autoload_with=connection)
        assert found.c[column].type.enums == values  # type: ignore[attr-defined]
        table.drop(connection)
        found.create(connection)
        connection.execute(insert(found).values({table.c[1].name: values[0] + "!"}))
        assert connection.scalar(select(found.c[column])) == values[-1]
        with pytest.raises(DBAPIError):
            connection.execute(insert(found).values({table.c[1].name: values[0]}))
        connection.rollback()
        assert catalog_and_canary(connection) == before


@ordinary
@given(found=several, value=names, indexed=st.booleans())
def test_altering_takes_any_name_default_and_comment(
    engine: Engine, found: list[str], value: str, indexed: bool
) -> None:
    table_name, key, old, new, gone, added = found
    assume(fold(table_name) != "canary")
    table = Table(
        table_name,
        MetaData(),
        Column(key, String, primary_key=True),
        Column(old, String, server_default=value),
        Column(gone, Integer),
    )
    if indexed:  # which DuckDB alters only by making the table anew
        Index("by_" + old, table.c[old])
    with engine.connect() as connection:
        before = catalog_and_canary(connection)
        table.create(connection)
        connection.execute(insert(table), [{key: value, old: value, gone: 1}])
        changes = Changes()
        changes.add_column(Column(added, String, server_default=value, comment=value))
        changes.rename_column(old, new)
        changes.drop_column(gone)
        alter_tables(connection, [table_name], changes, set())
        altered = Table(table_name, MetaData(), autoload_with=connection)
        assert altered.c.keys() == [key, new, added]
        assert altered.c[added].comment == value
        assert tuple(connection.execute(select(altered)).one()) == (value, value, value)
        connection.execute(insert(altered).values({key: value + "2"}))
        second = select(altered).where(altered.c[key] == value + "2")
        assert tuple(connection.execute(second).one()) == (value + "2", value, value)
        connection.rollback()
        assert catalog_and_canary(connection) == before


@pytest.mark.parametrize("blank", ["\n", "\r", "\t", " ", "\v", "\x85", "\u2028"])
def test_names_keep_what_is_blank_at_their_ends(engine: Engine, blank: str) -> None:
    names_ = [f"{blank}t", f"t{blank}", "t"]
    with engine.connect() as connection:
        for name in names_:
            columns = [Column(column, Integer) for column in names_]
            table = Table(name, MetaData(), *columns, Index(f"i_{name}", name))
            table.create(connection)
            connection.execute(insert(table), dict.fromkeys(names_, 1))
        inspector = inspect(connection)
        assert {*names_} <= {*inspector.get_table_names()}
        for name in names_:
            assert [column["name"] for column in inspector.get_columns(name)] == names_
            assert [index["column_names"] for index in inspector.get_indexes(name)] == [[name]]
        connection.rollback()
