"""The mixins in SQLModel's classes."""

from __future__ import annotations

import itertools
import json
import types
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from mixpanel_data import EventMixin, ProfileMixin, StorageEngine
from tests.records import EVENTS, make_event, make_events, make_profile

sqlmodel: Any = pytest.importorskip("sqlmodel")
SQLModel: Any = sqlmodel.SQLModel
NUMBERS = itertools.count()


def declare(*bases: Any, table: bool = True, **body: Any) -> Any:
    """Declare a class, each with another name."""
    body = {"__module__": __name__, **body}
    return types.new_class(
        f"Model{next(NUMBERS)}", bases, {"table": table}, lambda names: names.update(body)
    )


@pytest.fixture
def storage() -> Iterator[StorageEngine]:
    """Three events."""
    with StorageEngine.memory() as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        yield storage
    SQLModel.metadata.clear()


@pytest.mark.parametrize("bases", [(EventMixin, SQLModel), (SQLModel, EventMixin)])
def test_values_are_kept_stored_and_read(storage: StorageEngine, bases: Any) -> None:
    model = declare(*bases, __tablename__="events_jan")
    record = make_event(7)
    visit = model(**record)
    assert visit.model_dump() == record
    with sqlmodel.Session(storage.engine) as session:
        session.add(visit)
        session.commit()
        session.refresh(visit)
        assert visit.model_dump() == record
        assert json.loads(visit.model_dump_json())["event_time"] == "2025-01-01T00:00:07Z"
        assert len(session.exec(sqlmodel.select(model).where(model.event_name != "x")).all()) == 4


def test_changes_inside_properties_are_saved(storage: StorageEngine) -> None:
    model = declare(EventMixin, SQLModel, __tablename__="events_jan")
    with sqlmodel.Session(storage.engine) as session:
        session.get(model, make_event(1)["insert_id"]).properties["a"] = {"b": []}
        session.commit()
        session.get(model, make_event(1)["insert_id"]).properties["a"]["b"].append(1)
        session.commit()
        visit = session.get(model, make_event(1)["insert_id"])
        assert visit.properties["a"] == {"b": [1]}
        visit.properties = {"new": 1}
        session.commit()
        assert visit.properties == {"new": 1}


def test_fields_are_those_of_the_table_and_are_validated(storage: StorageEngine) -> None:
    model = declare(
        ProfileMixin,
        SQLModel,
        __tablename__="users",
        score=sqlmodel.Field(default=0),
        __annotations__={"score": int},
    )
    assert (
        set(model.__table__.columns.keys())
        == set(model.model_fields)
        == {*("distinct_id", "properties", "last_seen", "score")}
    )
    assert model(distinct_id="x").model_dump(exclude_unset=True) == {"distinct_id": "x"}
    assert model.model_validate(make_profile(1)).properties == make_profile(1)["properties"]
    with pytest.raises(ValueError, match="distinct_id"):
        model.model_validate({"properties": {}})
    SQLModel.metadata.create_all(storage.engine)
    assert storage.get_metadata("users").type == "profiles"


def test_many_tables_share_a_base_that_is_no_table(storage: StorageEngine) -> None:
    shared = declare(EventMixin, SQLModel, table=False)
    january = declare(shared, __tablename__="events_jan")
    february = declare(shared, __tablename__="events_feb")
    assert february(**make_event(1)).insert_id == january(**make_event(1)).insert_id
    with storage.session() as session:
        assert len(session.scalars(select(january)).all()) == 3
    assert issubclass(declare(january, __tablename__="events_jan"), january)
