"""The mixins in classes that SQLAlchemy makes dataclasses of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, Session, mapped_column

from mixpanel_data import EventMixin, ProfileMixin, StorageEngine, property_column
from tests.records import EVENTS, make_event, make_events, make_profile


def with_a_base_of_dataclasses() -> type[Any]:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Visit(EventMixin, Base):
        __tablename__ = "events_jan"

    return Visit


def with_a_mixin_before() -> type[Any]:
    class Base(DeclarativeBase):
        pass

    class Visit(MappedAsDataclass, EventMixin, Base):
        __tablename__ = "events_jan"

    return Visit


def with_a_mixin_behind() -> type[Any]:
    class Base(DeclarativeBase):
        pass

    class Visit(EventMixin, MappedAsDataclass, Base, kw_only=True):
        __tablename__ = "events_jan"

    return Visit


def with_the_mixin_in_the_base() -> type[Any]:
    class Base(EventMixin, MappedAsDataclass, DeclarativeBase):
        pass

    class Visit(Base):
        __tablename__ = "events_jan"

    return Visit


WAYS = [
    with_a_base_of_dataclasses,
    with_a_mixin_before,
    with_a_mixin_behind,
    with_the_mixin_in_the_base,
]


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    """Three events."""
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        yield storage


@pytest.mark.parametrize("declare", WAYS)
def test_values_are_given_compared_stored_and_read(
    storage: StorageEngine, declare: Callable[[], type[Any]]
) -> None:
    visit_class = declare()
    record = make_event(7)
    visit = visit_class(**record)
    assert visit == visit_class(**record)
    assert f"insert_id={record['insert_id']!r}" in repr(visit)
    with Session(storage.engine) as session:
        session.add(visit)
        session.commit()
        visit.properties["inside"] = {"a": 1}
        session.commit()
        session.expire_all()
        found: Any = session.get(visit_class, record["insert_id"])
        assert found.event_time == record["event_time"]
        assert found.properties == record["properties"] | {"inside": {"a": 1}}


def test_what_may_be_null_may_be_left_out_and_the_rest_not() -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class User(ProfileMixin, Base):
        __tablename__ = "users"

    class Visit(EventMixin, Base):
        __tablename__ = "events_jan"

    user: Any = User(distinct_id="user-1")
    assert (user.properties, user.last_seen) == (None, None)
    assert User(**make_profile(1)).distinct_id == make_profile(1)["distinct_id"]
    with pytest.raises(TypeError, match="event_name"):
        Visit()


def test_fields_of_the_class_stand_between(storage: StorageEngine) -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Visit(EventMixin, Base):
        __tablename__ = "visits"
        page: Mapped[str]
        seconds: Mapped[int] = mapped_column(default=3)
        browser = property_column("$browser")

    assert list(Visit.__table__.c.keys()) == [
        *["event_name", "event_time", "distinct_id", "insert_id", "properties"],
        *["page", "seconds", "$browser"],
    ]
    Base.metadata.create_all(storage.engine)
    assert {table.name: table.type for table in storage.list_tables()}["visits"] == "events"
    record = {**make_event(1), "page": "/"}
    with Session(storage.engine) as session:
        session.add(Visit(**record))
        session.commit()
        assert session.query(Visit).one().seconds == 3


def test_a_subclass_in_the_same_table_adds_no_columns() -> None:
    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Visit(EventMixin, Base):
        __tablename__ = "events_jan"
        __mapper_args__ = {"polymorphic_on": "event_name", "polymorphic_identity": "visit"}  # noqa: RUF012

    class Signup(Visit):
        __mapper_args__ = {"polymorphic_identity": "signup"}  # noqa: RUF012

    signup: Any = Signup(**make_event(1))
    assert inspect(signup).mapper.local_table is Visit.__table__
    assert signup.insert_id == make_event(1)["insert_id"]
