"""Property columns in SQLAlchemy: Core and the ORM fill them from the documents they write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or_update
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import DeclarativeBase

from mixpanel_data import (
    EventMixin,
    PropertyColumn,
    PropertyColumnError,
    StorageEngine,
    migrate,
    property_column,
)
from tests.engines import empty_storage
from tests.examples import examples
from tests.records import EVENTS
from tests.records import event_with as event

COLUMNS: list[Any] = ["$browser", PropertyColumn("n", "BIGINT", name="number")]


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    with empty_storage() as storage:
        storage.create_events_table("e", [], EVENTS, property_columns=COLUMNS)
        yield storage


@pytest.fixture
def table(storage: StorageEngine) -> Table:
    return storage.table("E")


def rows(storage: StorageEngine) -> list[tuple[Any, ...]]:
    """The columns of all rows, after it was checked that the documents say the same."""
    migrate.check(storage)
    return storage.execute_rows('SELECT "$browser", number FROM e ORDER BY insert_id::INTEGER')


def test_an_insert_fills_the_columns(storage: StorageEngine, table: Table) -> None:
    without = {key: value for key, value in event(4).items() if key != "properties"}
    with storage.engine.begin() as connection:
        connection.execute(insert(table).values(event(1, **{"$browser": "A", "n": 1})))
        connection.execute(insert(table), event(2, n="none"))
        connection.execute(insert(table), {**event(3), "properties": None})
        connection.execute(insert(table), without)
    assert rows(storage) == [("A", 1), (None, None), (None, None), (None, None)]


@pytest.mark.parametrize("count", [3, 2000])
def test_an_insert_of_many_rows_fills_the_columns(
    storage: StorageEngine, table: Table, count: int
) -> None:
    with storage.engine.begin() as connection:
        connection.execute(insert(table), [event(n, n=n) for n in range(count)])
    assert rows(storage) == [(None, n) for n in range(count)]


def test_an_update_of_the_documents_fills_the_columns(storage: StorageEngine, table: Table) -> None:
    storage.append_events_table("e", [event(n, n=n, **{"$browser": "A"}) for n in range(5)], EVENTS)
    of_row = table.c.insert_id == bindparam("key")
    with storage.engine.begin() as connection:
        connection.execute(update(table).values(properties={"n": 7}).where(of_row), {"key": "0"})
        changed = [{"key": "1", "properties": {"n": 8}}, {"key": "2", "properties": {}}]
        connection.execute(update(table).where(of_row), changed)
        merged = func.json_merge_patch(table.c.properties, '{"n": 9}')
        connection.execute(update(table).values(properties=merged).where(of_row), {"key": "3"})
        connection.execute(update(table).values(event_name="Other").where(of_row), {"key": "4"})
    assert rows(storage) == [(None, 7), (None, 8), (None, None), ("A", 9), ("A", 4)]


def test_an_upsert_fills_the_columns(storage: StorageEngine, table: Table) -> None:
    storage.append_events_table("e", [event(n, n=n) for n in range(3)], EVENTS)
    statement = insert_or_update(table)
    excluded = statement.on_conflict_do_update(
        index_elements=["insert_id"], set_={"properties": statement.excluded.properties}
    )

    def literal(number: int) -> Any:
        return statement.on_conflict_do_update(
            index_elements=["insert_id"], set_={table.c.properties: {"n": number}}
        )

    name_only = statement.on_conflict_do_update(
        index_elements=["insert_id"], set_={"event_name": "Other"}
    )
    with storage.engine.begin() as connection:
        connection.execute(excluded, [event(0, n=5), event(3, n=3)])
        for number in (5, 6):  # from SQLAlchemy's cache the second time
            connection.execute(literal(number), event(1, n=0))
        connection.execute(name_only, event(2, n=0))
    assert rows(storage) == [(None, 5), (None, 6), (None, 2), (None, 3)]


def test_what_no_statement_can_derive_is_refused(storage: StorageEngine, table: Table) -> None:
    several = insert(table).values([event(1), event(2)])
    selected = insert(table).from_select(["insert_id"], select(table.c.insert_id))
    with storage.engine.connect() as connection:
        for statement in (several, selected):
            with pytest.raises(CompileError, match="as parameters of execute"):
                connection.execute(statement)


def test_objects_are_written_and_read_with_their_columns(storage: StorageEngine) -> None:
    event_class = storage.model("e")
    with storage.session() as session:
        new = event_class(**event(1, n=1, **{"$browser": "A"}))
        session.add_all([new, *(event_class(**event(n, n=n)) for n in range(2, 6))])
        session.flush()
        assert (getattr(new, "$browser"), new.number) == ("A", 1)
        new.properties = {"n": 10}
        session.flush()
        assert (getattr(new, "$browser"), new.number) == (None, 10)
        new.event_name = "Other"
        session.commit()
        assert new.number == 10
        found = session.scalars(select(event_class).where(event_class.number > 4)).all()
        assert sorted(one.number for one in found) == [5, 10]
        session.execute(update(event_class).values(properties={"n": 0}))
        session.commit()
    assert rows(storage) == [(None, 0)] * 5


def test_a_class_may_declare_columns_under_other_names(storage: StorageEngine) -> None:
    class Base(DeclarativeBase):
        pass

    class Visit(EventMixin, Base):
        __tablename__ = "visits"
        browser = property_column("$browser")
        seen = property_column("seen", "TIMESTAMP", "seen_at")

    Base.metadata.create_all(storage.engine)
    assert storage.property_columns("visits") == [
        PropertyColumn("$browser", "VARCHAR", name="$browser"),
        PropertyColumn("seen", "TIMESTAMP", name="seen_at"),
    ]
    with storage.session() as session:
        visit: Any = Visit(**event(1, seen="2025-01-01T01:00:00+01:00", **{"$browser": "A"}))
        session.add(visit)
        session.commit()
        assert (visit.browser, visit.seen) == ("A", datetime(2025, 1, 1, tzinfo=timezone.utc))
    storage.append_events_table("visits", [event(2, **{"$browser": "B"})], EVENTS)
    assert storage.execute_rows('SELECT "$browser" FROM visits') == [("A",), ("B",)]
    migrate.check(storage)
    Base.metadata.drop_all(storage.engine)
    assert storage.execute_rows("FROM _property_columns WHERE table_name = 'visits'") == []


def test_a_name_that_no_column_can_have_is_refused_in_a_class() -> None:
    with pytest.raises(PropertyColumnError, match="name="):
        property_column("metadata")


def test_a_model_follows_the_columns_of_its_table(storage: StorageEngine) -> None:
    before = storage.model("e")
    assert storage.model("e") is before
    storage.drop_property_columns("e", ["n"])
    after = storage.model("e")
    assert "number" in before.__table__.c
    assert "number" not in after.__table__.c
    assert storage.table("e").c.keys() == after.__table__.c.keys()


DOCUMENTS = st.dictionaries(
    st.sampled_from(["$browser", "n", "other"]),
    st.one_of(st.none(), st.integers(-5, 5), st.text("ab'\"\\%${", max_size=3), st.booleans()),
)


@given(st.lists(st.tuples(DOCUMENTS, DOCUMENTS), min_size=1, max_size=5))
@examples(30)
def test_any_documents_written_by_objects_are_in_the_columns(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]],
) -> None:
    with empty_storage() as storage:
        storage.create_events_table("e", [], EVENTS, property_columns=COLUMNS)
        event_class = storage.model("e")
        with storage.session() as session:
            objects = [event_class(**event(n, **first)) for n, (first, _) in enumerate(pairs)]
            session.add_all(objects)
            session.commit()
            migrate.check(storage)
            for one, (_, second) in zip(objects, pairs, strict=True):
                one.properties = second
            session.commit()
        assert storage.refresh_property_columns("e") == 0
