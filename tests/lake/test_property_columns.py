"""Property columns that a session leaves out are marked as stale in a lake, too."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase

from mixpanel_data import EventMixin, PropertyColumn, StorageEngine, property_column
from tests.records import EVENTS, event_with

pytestmark = pytest.mark.lake


class Base(DeclarativeBase):
    pass


class Signup(EventMixin, Base):
    __tablename__ = "signups"


class Partial(EventMixin, Base):
    __tablename__ = "partial"
    browser = property_column("$browser")


def test_property_columns_that_a_class_does_not_declare_are_marked_as_stale(
    storage: StorageEngine,
) -> None:
    columns: list[PropertyColumn | str] = ["$browser", PropertyColumn("n", "BIGINT")]
    for table in ("signups", "partial", "other"):
        storage.create_events_table(table, [event_with(0, n=0)], EVENTS, property_columns=columns)

    def stale(table: str) -> set[str]:
        return {column.property for column in storage.property_columns(table) if column.stale}

    with storage.session() as session:
        session.add_all([Signup(**event_with(1, n=1)), Partial(**event_with(1, n=1))])
        session.rollback()
        assert stale("signups") == stale("partial") == set()
        session.add_all([Signup(**event_with(1, n=1)), Partial(**event_with(1, n=1))])
        session.commit()
    assert (stale("signups"), stale("partial")) == ({"$browser", "n"}, {"n"})
    assert stale("other") == set()
    assert storage.refresh_property_columns("signups") == 1
    assert stale("signups") == set()
    assert storage.execute_rows("SELECT n FROM signups ORDER BY n") == [(0,), (1,)]


def test_a_change_to_a_document_alone_marks_its_columns_as_stale(storage: StorageEngine) -> None:
    storage.create_events_table(
        "signups", [event_with(0, n=0)], EVENTS, property_columns=["$browser"]
    )
    with storage.session() as session:
        event = session.scalars(select(Signup)).one()
        event.event_name = "Renamed"
        session.commit()
        assert [column.stale for column in storage.property_columns("signups")] == [False]
        event.properties = {"$browser": "Safari"}
        session.commit()
    assert [column.stale for column in storage.property_columns("signups")] == [True]
    assert storage.property_stats("signups", "$browser").top_values[0].value == "Safari"
    storage.append_events_table("signups", [event_with(1)], EVENTS)
    assert [column.stale for column in storage.property_columns("signups")] == [True]
