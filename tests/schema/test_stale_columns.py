"""Property columns that a write leaves out are marked as stale, and no longer used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.orm import DeclarativeBase, Session

from mixpanel_data import (
    ColumnInfo,
    EventMixin,
    PropertyColumn,
    SchemaDriftError,
    StorageEngine,
    migrate,
    property_column,
)
from mixpanel_data.schema.tables import managed_table
from tests.engines import empty_storage
from tests.records import EVENTS
from tests.records import event_with as row

COLUMNS: list[Any] = ["$browser", PropertyColumn("n", "BIGINT", name="number")]

#: The table as a program declares it that knows of no property columns, or not of all.
PLAIN = managed_table("events", "E")
PARTIAL = managed_table("events", "e", property_columns=[PropertyColumn("$browser")])
OTHER = managed_table(
    "events", "e", property_columns=[PropertyColumn("$browser"), PropertyColumn("n", name="number")]
)


class Base(DeclarativeBase):
    pass


class Visit(EventMixin, Base):
    __tablename__ = "e"


class Seen(EventMixin, Base):
    __tablename__ = "seen"
    browser = property_column("$browser")


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        storage.create_events_table("e", [row(0, n=0)], EVENTS, property_columns=COLUMNS)
        storage.create_events_table("other", [row(0, n=0)], EVENTS)
        yield storage


def stale(storage: StorageEngine, table: str = "e") -> set[str]:
    """The stale columns, which everything that shows columns agrees on."""
    found = {each.property for each in storage.property_columns(table) if each.stale}
    assert found == {each.property for each in storage.get_schema(table).columns if each.stale}
    return found


def plain_insert(connection: Connection) -> None:
    connection.execute(insert(PLAIN).values(row(1, n=1)))


def reflected(connection: Connection) -> Table:
    return Table("e", MetaData(), autoload_with=connection)


def upsert(table: Table, **changes: Any) -> Any:
    return insert_or_update(table).on_conflict_do_update(index_elements=["insert_id"], set_=changes)


BOTH = {"$browser", "n"}

#: Each write with the properties whose columns it makes stale.
WRITES: dict[str, tuple[Callable[[Connection], object], set[str]]] = {
    "an insert": (plain_insert, BOTH),
    "an insert of parameters": (lambda c: c.execute(insert(PLAIN), row(1, n=1)), BOTH),
    "an insert of many rows": (
        lambda c: c.execute(insert(PLAIN), [row(n, n=n) for n in range(1, 500)]),
        BOTH,
    ),
    "an insert of a few rows": (
        lambda c: c.execute(insert(PLAIN), [row(n, n=n) for n in range(1, 4)]),
        BOTH,
    ),
    "a list in values()": (lambda c: c.execute(insert(PLAIN).values([row(1), row(2)])), BOTH),
    "an insert of a select": (
        lambda c: c.execute(
            insert(PLAIN).from_select(
                PLAIN.c.keys(),
                select(
                    *(literal("x") if c is PLAIN.c.insert_id else c for c in PLAIN.c),
                ),
            )
        ),
        BOTH,
    ),
    "an insert that returns": (
        lambda c: c.execute(insert(PLAIN).returning(PLAIN.c.insert_id), row(1)).all(),
        BOTH,
    ),
    "an update": (lambda c: c.execute(update(PLAIN).values(properties={"n": 2})), BOTH),
    "an update with an expression": (
        lambda c: c.execute(
            update(PLAIN).values(
                {PLAIN.c.properties: func.json_merge_patch(PLAIN.c.properties, '{"n": 9}')}
            )
        ),
        BOTH,
    ),
    "an ordered update": (
        lambda c: c.execute(
            update(PLAIN).ordered_values((PLAIN.c.event_name, "A"), (PLAIN.c.properties, {}))
        ),
        BOTH,
    ),
    "an update of many rows": (
        lambda c: c.execute(
            update(PLAIN).where(PLAIN.c.insert_id == bindparam("key")),
            [{"key": str(n), "properties": {"n": 5}} for n in range(50)],
        ),
        BOTH,
    ),
    "an upsert": (
        lambda c: c.execute(upsert(PLAIN, properties={"n": 5}), row(0)),
        BOTH,
    ),
    "a table with some of the columns": (lambda c: c.execute(insert(PARTIAL), row(1)), {"n"}),
    "a column of another type": (lambda c: c.execute(insert(OTHER), row(1)), {"n"}),
    "a reflected table": (lambda c: c.execute(insert(reflected(c)), row(1)), BOTH),
    "a column set to another value": (
        lambda c: c.execute(update(reflected(c)).values(number=7)),
        {"n"},
    ),
    "a declared column set to another value": (
        lambda c: c.execute(insert(PARTIAL).values({**row(1), "$browser": "X"})),
        BOTH,
    ),
    "an upsert that sets a column": (
        lambda c: c.execute(upsert(reflected(c), number=5), row(0)),
        BOTH,
    ),
    "a table in a schema": (
        lambda c: c.execute(insert(PLAIN.to_metadata(MetaData(), schema="main")), row(1)),
        BOTH,
    ),
    "a DataFrame": (
        lambda c: pd.DataFrame([{**row(1), "properties": "{}"}]).to_sql(
            "e", c, if_exists="append", index=False
        ),
        BOTH,
    ),
    "an object": (lambda c: _flushed(c, Visit(**row(1, n=1))), BOTH),
    "many objects": (lambda c: _flushed(c, *(Visit(**row(n)) for n in range(1, 50))), BOTH),
    "a change of an object": (lambda c: _changed(c), BOTH),
    "an insert of a class": (lambda c: Session(c).execute(insert(Visit), [row(1), row(2)]), BOTH),
    "an update of a class": (
        lambda c: Session(c).execute(update(Visit).values(properties={})),
        BOTH,
    ),
    "a bulk insert of mappings": (
        lambda c: Session(c).bulk_insert_mappings(Visit, [row(1), row(2)]),
        BOTH,
    ),
    # what leaves the documents alone
    "an update of another column": (
        lambda c: c.execute(update(PLAIN).values(event_name="Other")),
        set(),
    ),
    "an upsert of another column": (
        lambda c: c.execute(
            insert_or_update(managed_table("events", "other")).on_conflict_do_nothing(), row(0)
        ),
        set(),
    ),
    "a delete": (lambda c: c.execute(PLAIN.delete()), set()),
    "another table": (lambda c: c.execute(insert(managed_table("events", "other")), row(1)), set()),
    "SQL text": (
        lambda c: c.execute(text("UPDATE e SET properties = '{}'")),
        set(),
    ),
}


def _flushed(connection: Connection, *objects: Any) -> None:
    session = Session(connection)
    session.add_all(objects)
    session.flush()


def _changed(connection: Connection) -> None:
    session = Session(connection)
    visit: Any = session.scalars(select(Visit)).one()
    visit.properties["n"] = 5
    session.flush()


@pytest.mark.parametrize("way", WRITES)
def test_a_write_marks_the_columns_that_it_leaves_out(storage: StorageEngine, way: str) -> None:
    write, expected = WRITES[way]
    with storage.engine.begin() as connection:
        write(connection)
    assert stale(storage) == expected
    assert stale(storage, "other") == set()
    if expected:
        with pytest.raises(SchemaDriftError, match="stale"):
            migrate.check(storage)
    storage.refresh_property_columns("e")
    assert stale(storage) == set()
    migrate.check(storage)


@pytest.mark.parametrize("way", ["an insert", "an insert of many rows", "a DataFrame", "an object"])
def test_a_mark_is_rolled_back_with_its_write(storage: StorageEngine, way: str) -> None:
    with storage.engine.connect() as connection, connection.begin() as transaction:
        WRITES[way][0](connection)
        transaction.rollback()
    assert stale(storage) == set()
    migrate.check(storage)


def test_a_write_through_the_declared_columns_marks_nothing(storage: StorageEngine) -> None:
    table, event_class = storage.table("e"), storage.model("e")
    with storage.session() as session:
        session.execute(insert(table), [row(n, n=n) for n in range(1, 100)])
        session.execute(update(table).values(properties={"n": 1}))
        session.execute(upsert(table, properties={"n": 8}), row(0))
        session.add(event_class(**row("x", n=5)))
        session.commit()
    storage.append_events_table("e", [row("y", n=1)], EVENTS)
    assert stale(storage) == set()
    migrate.check(storage)


def test_a_write_in_autocommit_mode_marks_its_columns(storage: StorageEngine) -> None:
    with storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        plain_insert(connection)
        assert stale(storage) == BOTH


def test_a_column_that_appears_in_the_transaction_is_marked(storage: StorageEngine) -> None:
    with storage.engine.begin() as connection:
        connection.execute(insert(PLAIN), row(1))
        Base.metadata.create_all(connection)
        connection.execute(insert(managed_table("events", "seen")), row(1))
    assert stale(storage, "seen") == {"$browser"}


def test_two_writers_at_once_do_not_conflict(storage: StorageEngine) -> None:
    with storage.engine.connect() as first, storage.engine.connect() as second:
        first.execute(insert(PLAIN), row(1))
        second.execute(insert(PLAIN), row(2))
        second.commit()
        storage.refresh_property_columns("e")
        first.commit()
    assert stale(storage) == BOTH  # what the first one wrote was not there to be refreshed
    assert storage.refresh_property_columns("e") == 0


def test_a_mark_lasts_as_long_as_its_column(storage: StorageEngine) -> None:
    with storage.engine.begin() as connection:
        plain_insert(connection)
    storage.rename_table("e", "f")
    assert stale(storage, "f") == BOTH
    storage.drop_property_columns("f", ["n"])
    storage.add_property_columns("f", ["n"])
    assert stale(storage, "f") == {"$browser"}
    storage.drop_table("f")
    storage.create_events_table("f", [], EVENTS, property_columns=COLUMNS)
    assert stale(storage, "f") == set()


def test_an_export_has_what_a_stale_column_should_have(
    storage: StorageEngine, tmp_path: Path
) -> None:
    with storage.engine.begin() as connection:
        connection.execute(insert(PLAIN), row(1, n=1, **{"$browser": "A"}))
    storage.export("e", tmp_path / "e.parquet")
    found = pd.read_parquet(tmp_path / "e.parquet").sort_values("insert_id")
    assert found["number"].tolist() == [0, 1]
    assert found["$browser"].tolist()[1] == "A"


def test_the_schema_says_which_property_a_column_has(storage: StorageEngine) -> None:
    with storage.engine.begin() as connection:
        connection.execute(insert(PARTIAL), row(1))
    assert storage.get_schema("e").columns[-2:] == [
        ColumnInfo("$browser", "VARCHAR", True, False, property="$browser"),
        ColumnInfo("number", "BIGINT", True, False, property="n", stale=True),
    ]


def asked(storage: StorageEngine, write: Callable[[Connection], object]) -> list[str]:
    """What reaches DuckDB for writes in one transaction, below SQLAlchemy."""
    seen: list[str] = []
    with storage.engine.connect() as connection:
        lent: Any = connection.connection.dbapi_connection
        starting = lent.starting

        def noted(sql: str) -> str:
            seen.append(sql)
            return str(starting(sql))

        lent.starting = noted
        write(connection)
        connection.commit()
        lent.starting = starting
    return seen


def test_a_transaction_asks_once_and_only_if_it_writes_documents(storage: StorageEngine) -> None:
    plain = Table("plain", MetaData(), Column("a", String))
    with storage.engine.begin() as connection:
        plain.create(connection)
    other = managed_table("events", "other")

    def several(connection: Connection) -> None:
        for number in range(1, 5):
            connection.execute(insert(other), row(number))
            connection.execute(select(other.c.insert_id)).all()

    assert len(asked(storage, lambda c: c.execute(insert(plain), {"a": "x"}))) == 1
    first = asked(storage, several)
    assert len(first) <= 8 + 2
    assert len(asked(storage, lambda c: c.execute(PLAIN.delete()))) == 1


def test_a_database_without_our_tables_is_left_alone(engine_of_its_own: Any) -> None:
    documents = Table("d", MetaData(), Column("properties", String))
    with engine_of_its_own.begin() as connection:
        documents.create(connection)
        connection.execute(insert(documents), {"properties": "{}"})
        assert connection.execute(select(documents)).all() == [("{}",)]


@pytest.fixture
def engine_of_its_own() -> Iterator[Any]:
    from sqlalchemy import create_engine

    engine = create_engine("duckdb+mixpanel:///:memory:")
    yield engine
    engine.dispose()
