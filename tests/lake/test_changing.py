"""What changes tables in a lake: renaming, erasing, the ORM, migrations."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mixpanel_data import EventMixin, Lake, LakeError, SchemaOlderError, StorageEngine, migrate
from mixpanel_data.schema.versions import HEAD
from tests.lake.servers import PASSWORD
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles
from tests.revisions import REBUILDING, config_with, go

pytestmark = pytest.mark.lake


def test_tables_are_renamed_and_dropped_with_their_metadata(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    storage.rename_table("jan", "january")
    assert storage.get_metadata("january") == EVENTS
    assert storage.append_events_table("january", make_events(6), EVENTS) == 1
    storage.drop_table("january")
    assert storage.list_tables() == []
    assert storage.create_events_table("january", make_events(1), EVENTS) == 1


def test_people_and_old_events_are_erased(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(20), EVENTS)
    storage.create_profiles_table("users", make_profiles(10), PROFILES)
    assert storage.erase(["user-1"]) == {"jan": 2, "users": 1}
    assert storage.delete_events("jan", before="2025-01-01T00:00:10Z") == 9
    assert storage.list_tables()[0].row_count == 9


def test_the_schema_has_the_key_that_loads_keep_unique(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [], EVENTS)
    keys = [column.name for column in storage.get_schema("jan").columns if column.primary_key]
    assert keys == ["insert_id"]


def test_the_inspector_has_the_keys_that_loads_keep_unique(lake: Lake) -> None:
    with StorageEngine(lake) as storage:
        assert inspect(storage.engine).get_pk_constraint("_metadata")["constrained_columns"] == []
        storage.create_events_table("Jan", [], EVENTS, primary_key=False)
        storage.create_profiles_table("users", [], PROFILES)
        storage.execute_rows("CREATE TABLE orders (insert_id VARCHAR)")
        storage.execute_rows("CREATE VIEW everybody AS FROM users")
    engine = create_engine(lake.url.set(password=PASSWORD))
    inspector = inspect(engine)
    keys = {
        (schema, name): inspector.get_pk_constraint(name, schema)["constrained_columns"]
        for name in ("jan", "users", "orders", "everybody")
        for schema in (None, "main", "lake.main")
    }
    assert keys == {
        (schema, name): key
        for name, key in {
            "jan": ["insert_id"], "users": ["distinct_id"], "orders": [], "everybody": []
        }.items()
        for schema in (None, "main", "lake.main")
    }  # fmt: skip
    assert inspector.get_pk_constraint("users", "_mixpanel_data")["constrained_columns"] == []
    engine.dispose()


def test_a_temporary_table_hides_the_key_of_the_table_that_it_hides(storage: StorageEngine) -> None:
    storage.create_events_table("jan", [], EVENTS)
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TEMP TABLE jan (insert_id VARCHAR)")
        assert inspect(connection).get_pk_constraint("jan")["constrained_columns"] == []
        connection.exec_driver_sql("DROP TABLE temp.jan")


def test_tables_are_mapped_without_a_declaration(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3), EVENTS)
    base = automap_base()
    base.prepare(storage.engine)
    with storage.session() as session:
        event = make_event(1)
        found = session.get(base.classes.jan, event["insert_id"])
        assert found is not None
        assert found.event_name == event["event_name"]


def test_a_lake_without_our_tables_has_no_keys(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE SCHEMA other")
    storage.execute_rows("CREATE TABLE other._metadata (name VARCHAR)")
    storage.execute_rows("CREATE TABLE other.jan (insert_id VARCHAR)")
    found = inspect(storage.engine).get_pk_constraint("jan", "other")
    assert found["constrained_columns"] == []


def test_sessions_read_and_write(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(3), EVENTS)
    event_class = storage.model("jan")
    with storage.session() as session:
        event = session.scalars(select(event_class).order_by(event_class.event_time).limit(1)).one()
        event.properties["seen"] = True
        new = {"event_name": "New", "event_time": datetime(2025, 1, 9), "properties": {}}
        session.add(event_class(insert_id="new", distinct_id="user-1", **new))
        session.commit()
        session.delete(session.get(event_class, "new"))
        session.commit()
    assert storage.execute_scalar("SELECT count(*) FROM jan WHERE properties.seen") == 1
    assert storage.list_tables()[0].row_count == 3


class Base(DeclarativeBase):
    pass


class Signup(EventMixin, Base):
    __tablename__ = "signups"


class Order(Base):
    __tablename__ = "orders"
    code: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(unique=True, index=True)


class Counted(DeclarativeBase):
    pass


class Ticket(Counted):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_an_engine_of_sqlalchemy_works_by_the_url_alone(lake: Lake) -> None:
    engine = create_engine(lake.url.set(password=PASSWORD))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Order(code="a", customer="Ada"))
        session.commit()
        assert session.scalars(select(Order.customer)).all() == ["Ada"]
    assert {"orders", "signups"} <= set(inspect(engine).get_table_names())
    assert [column["default"] for column in inspect(engine).get_columns("orders")] == [None, None]
    with StorageEngine(lake) as storage:
        assert [table.name for table in storage.list_tables()] == ["signups"]
    engine.dispose()


def test_a_column_cannot_count_by_itself(lake: Lake) -> None:
    engine = create_engine(lake.url.set(password=PASSWORD))
    with pytest.raises(CompileError, match="autoincrement=False"):
        Counted.metadata.create_all(engine)
    engine.dispose()


@pytest.mark.parametrize("revision", ["0002", "0001", "base"])
def test_a_lake_goes_down_to_every_revision_and_up_again(lake: Lake, revision: str) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
    migrate.downgrade(lake, revision)
    if revision != "base":
        with pytest.raises(SchemaOlderError):
            StorageEngine(lake)
    migrate.upgrade(lake)
    migrate.check(lake)
    assert migrate.status(lake).state == "current"
    with StorageEngine(lake) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM jan") == 5


def test_a_table_that_a_revision_recreates_keeps_the_layout_of_its_files(
    lake: Lake, tmp_path: Path
) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
    engine = create_engine(lake.url.set(password=PASSWORD))
    config = config_with(tmp_path / "versions", REBUILDING)
    go(engine, config, "t1")
    go(engine, config, HEAD, down=True)
    engine.dispose()
    with StorageEngine(lake) as storage:
        assert storage.append_events_table("jan", make_events(9), EVENTS) == 4
        files = storage.data_files("jan")
        rows = storage.execute_rows("SELECT insert_id FROM jan ORDER BY event_time")
    assert len(files) == 2
    assert all("year=2025/month=1" in file for file in files)
    assert [key for (key,) in rows] == [event["insert_id"] for event in make_events(9)]


def test_a_key_that_is_not_in_the_catalog_does_not_make_alembic_recreate_a_table(
    lake: Lake,
) -> None:
    with StorageEngine(lake) as storage:
        storage.create_events_table("jan", make_events(5), EVENTS)
        files = storage.data_files("jan")
        storage.execute_rows("ALTER TABLE jan ADD COLUMN extra VARCHAR")
    engine = create_engine(lake.url.set(password=PASSWORD))
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("jan") as batch:
            batch.drop_column("extra")
    engine.dispose()
    with StorageEngine(lake) as storage:
        assert storage.data_files("jan") == files


def test_there_is_no_file_to_copy(storage: StorageEngine) -> None:
    with pytest.raises(LakeError, match="export"):
        storage.backup("copy.db")
