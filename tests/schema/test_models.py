"""Our tables as mapped classes, beside the models of an application."""

from __future__ import annotations

import ast
import inspect
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import DateTime, ForeignKey, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    foreign,
    mapped_column,
    relationship,
    selectinload,
)

from mixpanel_data import (
    EventMixin,
    ProfileMixin,
    StorageEngine,
    TableExistsError,
    TableNameError,
    TableNotFoundError,
    UtcDateTime,
)
from mixpanel_data.schema import models
from mixpanel_data.schema.tables import managed_table
from tests.records import EVENTS, PROFILES, START, make_event, make_events, make_profiles


class Base(DeclarativeBase):
    pass


class Visit(EventMixin, Base):
    __tablename__ = "events_jan"


class User(ProfileMixin, Base):
    __tablename__ = "users"

    visits: Mapped[list[Visit]] = relationship(
        primaryjoin=lambda: User.distinct_id == foreign(Visit.distinct_id),
        order_by=lambda: Visit.event_time,
        viewonly=True,
    )


class Account(Base):
    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.distinct_id"))
    user: Mapped[User] = relationship()


@pytest.fixture
def loaded_storage(storage: StorageEngine) -> StorageEngine:
    """100 events of 10 users, and the profiles of 12."""
    storage.create_events_table("events_jan", make_events(100), EVENTS)
    storage.create_profiles_table("users", make_profiles(12), PROFILES)
    return storage


def new_visit(number: int = 1, **fields: Any) -> Visit:
    return Visit(**make_event(number, **fields))


# The declaration


@pytest.mark.parametrize(("mixed", "kind"), [(Visit, "events"), (User, "profiles")])
def test_a_model_has_the_columns_of_the_declaration(mixed: Any, kind: Any) -> None:
    declared, mapped = managed_table(kind, "t").columns, mixed.__table__.columns
    assert mapped.keys() == declared.keys()
    for one, other in zip(mapped, declared, strict=True):
        assert (one.nullable, one.primary_key) == (other.nullable, other.primary_key)
        expected = UtcDateTime if isinstance(other.type, DateTime) else type(other.type)
        assert type(one.type) is expected


@pytest.mark.parametrize(("mixin", "kind"), [(EventMixin, "events"), (ProfileMixin, "profiles")])
def test_what_type_checkers_see_is_the_declaration(mixin: Any, kind: Any) -> None:
    annotations = {
        node.target.id: ast.unparse(node.annotation)
        for node in ast.walk(ast.parse(inspect.getsource(mixin)))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    python = {"VARCHAR": "str", "DATETIME": "datetime", "JSON": "dict[str, Any]"}
    assert annotations == {
        column.name: f"Mapped[{python[str(column.type)]}{' | None' if column.nullable else ''}]"
        for column in managed_table(kind, "t").columns
    }


def test_two_models_of_one_kind_do_not_share_their_columns() -> None:
    class Other(EventMixin, Base):
        __tablename__ = "events_feb"

    assert Other.__table__.c.insert_id is not Visit.__table__.c.insert_id
    assert str(select(Other.insert_id)).split() == [
        "SELECT",
        "events_feb.insert_id",
        "FROM",
        "events_feb",
    ]
    Base.metadata.remove(Other.__table__)  # type: ignore[arg-type]


def test_a_model_of_a_table_that_cannot_be_ours_is_refused() -> None:
    class Own(DeclarativeBase):
        pass

    with pytest.raises(TableNameError):
        type("Wrong", (EventMixin, Own), {"__tablename__": "_internal"})


# Reading


def test_what_was_loaded_is_read_as_objects(loaded_storage: StorageEngine) -> None:
    with loaded_storage.session() as session:
        visit = session.scalars(select(Visit).order_by(Visit.event_time)).first()
    assert visit is not None
    expected = make_event(0)
    assert {name: getattr(visit, name) for name in expected} == expected
    assert visit.event_time.tzinfo is timezone.utc


def test_times_compare_in_any_zone(loaded_storage: StorageEngine) -> None:
    moment = (START + timedelta(seconds=50)).astimezone(timezone(timedelta(hours=9)))
    with loaded_storage.session() as session:
        assert len(session.scalars(select(Visit).where(Visit.event_time < moment)).all()) == 50
        latest = session.scalar(select(func.max(Visit.event_time)))
    assert latest == START + timedelta(seconds=99)


def test_properties_of_any_name_are_columns_of_a_query(loaded_storage: StorageEngine) -> None:
    number = Visit.properties["number"].as_integer()
    browser = Visit.properties["$browser"].as_string()
    plan = Visit.properties["plan name"].as_string()
    query = select(browser, plan, func.sum(number)).where(number >= 90).group_by(browser, plan)
    with loaded_storage.session() as session:
        assert session.execute(query).all() == [("Firefox", "pro", sum(range(90, 100)))]


def test_events_join_the_profiles_of_their_users(loaded_storage: StorageEngine) -> None:
    query = (
        select(User.properties["$city"].as_string(), func.count())
        .join(Visit, Visit.distinct_id == User.distinct_id)
        .group_by(User.properties["$city"].as_string())
    )
    with loaded_storage.session() as session:
        assert session.execute(query).all() == [("Zürich", 100)]


def test_a_relationship_leads_from_a_profile_to_its_events(loaded_storage: StorageEngine) -> None:
    with loaded_storage.session() as session:
        query = select(User).order_by(User.distinct_id).options(selectinload(User.visits))
        counts = {user.distinct_id: len(user.visits) for user in session.scalars(query)}
        lazy = {user.distinct_id: len(user.visits) for user in session.scalars(select(User))}
    assert counts == lazy
    assert counts == {f"user-{n}": 10 if n < 10 else 0 for n in range(12)}


@pytest.mark.needs("sequences")
def test_an_application_refers_to_our_tables_from_its_own(loaded_storage: StorageEngine) -> None:
    Base.metadata.create_all(loaded_storage.engine)
    with loaded_storage.session() as session:
        session.add_all([Account(user_id="user-3"), Account(user_id="user-4")])
        session.commit()
        query = select(Account).join(Account.user).where(User.distinct_id == "user-4")
        account = session.scalars(query).one()
        assert account.user.properties == {"$city": "Zürich", "number": 4}


@pytest.mark.parametrize("whole", [True, False])
def test_pandas_reads_the_types_of_the_model(storage: StorageEngine, *, whole: bool) -> None:
    import pandas as pd

    storage.create_events_table("events_jan", make_events(3), EVENTS)
    for model in (Visit, storage.model("events_jan")):
        columns = [model] if whole else [model.properties, func.max(model.event_time)]
        query = select(*columns) if whole else select(*columns).group_by(model.properties)
        for frame in (
            pd.read_sql(query, storage.engine),
            next(pd.read_sql(query, storage.engine, chunksize=2)),
        ):
            times = frame["event_time" if whole else "max_1"]
            assert str(times.dt.tz) == "UTC"
            assert times.min() == START
            found = [document["number"] for document in frame["properties"]]
            assert set(found) <= {0, 1, 2}


# Writing


def test_a_session_adds_changes_and_deletes_rows(loaded_storage: StorageEngine) -> None:
    with loaded_storage.session() as session:
        session.add(new_visit(1000, properties=None))
        visit = session.get(Visit, make_event(5)["insert_id"])
        assert visit is not None
        visit.properties = {**(visit.properties or {}), "$browser": "Safari"}
        session.delete(session.get(Visit, make_event(6)["insert_id"]))
        session.commit()
    rows = "SELECT properties IS NULL FROM events_jan WHERE insert_id = ?"
    assert loaded_storage.execute_scalar(rows, [make_event(1000)["insert_id"]]) is True
    browsers = (
        "SELECT properties->>'$.\"$browser\"', count(*) FROM events_jan GROUP BY ALL ORDER BY 1"
    )
    assert loaded_storage.execute_rows(browsers) == [("Firefox", 98), ("Safari", 1), (None, 1)]
    assert loaded_storage.list_tables()[0].row_count == 100


@pytest.mark.needs("keys")
@pytest.mark.parametrize("how", ["add", "insert", "bulk"])
def test_a_second_row_with_an_insert_id_is_an_integrity_error(
    loaded_storage: StorageEngine, how: str
) -> None:
    rows = [make_event(number) for number in range(99, 300)]
    with loaded_storage.session() as session:
        if how == "add":
            session.add(Visit(**rows[0]))
            action: Any = session.flush
        else:
            some = rows[:1] if how == "insert" else rows
            action = lambda: session.execute(insert(Visit), some)  # noqa: E731
        with pytest.raises(IntegrityError, match="uplicate key"):
            action()
    assert loaded_storage.list_tables()[0].row_count == 100


def test_without_a_key_only_the_engine_refuses_a_second_row(storage: StorageEngine) -> None:
    storage.create_events_table("events_jan", make_events(10), EVENTS, primary_key=False)
    assert storage.append_events_table("events_jan", make_events(11), EVENTS) == 1
    with storage.session() as session:
        session.execute(insert(Visit), [make_event(3)])
        session.commit()
        assert session.scalar(select(func.count()).select_from(Visit)) == 12
        assert len({visit.insert_id for visit in session.scalars(select(Visit))}) == 11


def test_a_bulk_insert_is_what_the_engine_would_have_stored(loaded_storage: StorageEngine) -> None:
    loaded_storage.create_events_table("again", make_events(500), EVENTS)
    with loaded_storage.session() as session:
        session.execute(update(Visit).values(properties={}))
        session.execute(text("DELETE FROM events_jan"))
        session.commit()
        session.execute(insert(Visit), list(make_events(500)))
        session.commit()
    same = "SELECT * FROM events_jan EXCEPT SELECT * FROM again"
    assert loaded_storage.execute_rows(same) == []
    assert loaded_storage.execute_scalar("SELECT count(*) FROM events_jan") == 500


def test_an_invalid_time_is_refused(loaded_storage: StorageEngine) -> None:
    with loaded_storage.session() as session:
        session.add(new_visit(1000, event_time="yesterday"))
        with pytest.raises(StatementError, match="ISO 8601"):
            session.flush()


def test_sessions_and_the_engine_see_what_the_other_has_committed(
    loaded_storage: StorageEngine,
) -> None:
    with loaded_storage.session() as session:
        session.add(new_visit(1000))
        assert loaded_storage.execute_scalar("SELECT count(*) FROM events_jan") == 100
        session.commit()
        assert loaded_storage.execute_scalar("SELECT count(*) FROM events_jan") == 101
        assert (
            loaded_storage.append_events_table("events_jan", make_events(2, start=1000), EVENTS)
            == 1
        )
        assert session.scalar(select(func.count()).select_from(Visit)) == 102
        session.commit()
        loaded_storage.drop_table("events_jan")
        assert not loaded_storage.table_exists("events_jan")


# Making tables


@pytest.mark.needs("sequences")
def test_create_all_makes_tables_that_the_engine_knows(storage: StorageEngine) -> None:
    Base.metadata.create_all(storage.engine)
    assert [(table.name, table.type) for table in storage.list_tables()] == [
        ("events_jan", "events"),
        ("users", "profiles"),
    ]
    with storage.session() as session:
        session.add(new_visit(3))
        session.commit()
    assert storage.append_events_table("events_jan", make_events(10), EVENTS) == 9
    assert storage.get_metadata("events_jan").fetched_at > datetime(2025, 1, 1, tzinfo=timezone.utc)
    with pytest.raises(TableExistsError):
        storage.create_events_table("events_jan", [], EVENTS)


@pytest.mark.needs("sequences")
def test_create_all_leaves_what_is_there_as_it_is(loaded_storage: StorageEngine) -> None:
    before = loaded_storage.get_metadata("events_jan")
    Base.metadata.create_all(loaded_storage.engine)
    assert loaded_storage.get_metadata("events_jan") == before
    assert loaded_storage.list_tables()[0].row_count == 100


def test_drop_all_removes_the_metadata_of_the_tables(loaded_storage: StorageEngine) -> None:
    Base.metadata.drop_all(loaded_storage.engine)
    assert loaded_storage.list_tables() == []
    assert loaded_storage.execute_scalar("SELECT count(*) FROM _metadata") == 0


def test_create_all_in_a_database_without_our_tables_adds_them(path: Path) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"duckdb+mixpanel:///{path}")
    Base.metadata.create_all(engine)
    Base.metadata.drop_all(engine, tables=[Base.metadata.tables["accounts"]])
    with Session(engine) as session:
        session.add(new_visit(1))
        session.commit()
    engine.dispose()
    with StorageEngine.open_existing(path) as storage:
        assert [table.row_count for table in storage.list_tables()] == [1, 0]


# On the fly


def test_each_engine_has_models_of_its_own(tmp_path: Path) -> None:
    paths = tmp_path / "a.db", tmp_path / "b.db"
    found = []
    for path in paths:
        with StorageEngine(path) as storage:
            storage.create_events_table("jan", make_events(1), EVENTS)
            found.append(storage.model("jan"))
            assert storage.model("jan") is found[-1]
    assert found[0] is not found[1]


def test_a_model_on_the_fly_is_the_model_of_its_table(loaded_storage: StorageEngine) -> None:
    events, users = loaded_storage.model("events_jan"), loaded_storage.model("USERS")
    assert issubclass(events, EventMixin)
    assert issubclass(users, ProfileMixin)
    assert loaded_storage.model("EVENTS_JAN") is events
    query = (
        select(events.event_name, func.count())
        .join(users, users.distinct_id == events.distinct_id)
        .group_by(events.event_name)
        .order_by(events.event_name)
    )
    with loaded_storage.session() as session:
        assert session.execute(query).all() == [
            ("Page View", 34),
            ("Purchase", 33),
            ("Sign Up", 33),
        ]
        session.add(events(**make_event(1000)))
        session.commit()
    assert loaded_storage.execute_scalar("SELECT count(*) FROM events_jan") == 101


def test_a_model_follows_a_table_that_was_recreated_as_another_kind(storage: StorageEngine) -> None:
    storage.create_events_table("data", make_events(1), EVENTS)
    assert issubclass(storage.model("data"), EventMixin)
    storage.drop_table("data")
    storage.create_profiles_table("data", make_profiles(1), PROFILES)
    assert issubclass(storage.model("data"), ProfileMixin)


@pytest.mark.parametrize("name", ["missing", "_metadata", "orders"])
def test_there_is_no_model_of_a_table_that_is_not_ours(storage: StorageEngine, name: str) -> None:
    storage.execute_rows("CREATE TABLE orders (id INTEGER)")
    with pytest.raises(TableNotFoundError):
        storage.model(name)


@pytest.mark.parametrize("name", ["select", "2025", "order"])
def test_a_model_of_a_table_with_any_name_works(storage: StorageEngine, name: str) -> None:
    storage.create_events_table(name, make_events(3), EVENTS)
    with storage.session() as session:
        assert len(session.scalars(select(storage.model(name))).all()) == 3


def test_models_on_the_fly_have_a_metadata_of_their_own() -> None:
    one, other = models.model("events", "one"), models.model("events", "other")
    assert set(one.__table__.metadata.tables) == {"one"}
    assert set(other.__table__.metadata.tables) == {"other"}
