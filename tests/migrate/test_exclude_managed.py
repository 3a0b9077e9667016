"""An application's autogenerate leaves the library's tables alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Integer, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mixpanel_data import EventMixin, ProfileMixin, StorageEngine, migrate
from tests.records import EVENTS, make_events


def models() -> MetaData:
    """Return the application's metadata: a table of its own, and mapped events and profiles."""

    class Base(DeclarativeBase):
        pass

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[int] = mapped_column(Integer, primary_key=True)
        name: Mapped[str] = mapped_column(String)

    class Event(EventMixin, Base):
        __tablename__ = "events"

    class Profile(ProfileMixin, Base):
        __tablename__ = "users"

    return Base.metadata


def differences(connection: Connection, metadata: MetaData, **hooks: Any) -> list[str]:
    options: dict[str, Any] = {**migrate.exclude_managed(connection, **hooks)}
    context = MigrationContext.configure(connection, opts=options)
    return [f"{step[0]} {step[1].name}" for step in compare_metadata(context, metadata)]


@pytest.mark.parametrize("made_by", ["nobody", "library", "create_all"])
def test_only_the_table_of_the_application_is_proposed(path: Path, made_by: str) -> None:
    metadata = models()
    with StorageEngine(path) as storage:
        if made_by == "library":
            storage.create_events_table("Events", make_events(3), EVENTS)
            storage.create_events_table("more", [], EVENTS)
        with storage.engine.begin() as connection:
            if made_by == "create_all":
                metadata.create_all(
                    connection, [metadata.tables[name] for name in ("events", "users")]
                )
            assert differences(connection, metadata) == ["add_table orders"]
            metadata.tables["orders"].create(connection)
            assert differences(connection, metadata) == []
            assert differences(connection, MetaData()) == ["remove_table orders"]


def test_hooks_of_the_application_decide_about_the_rest(path: Path) -> None:
    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        return name != "orders"

    def include_object(item: Any, name: str | None, *_: Any) -> bool:
        return name != "orders"

    metadata = models()
    with StorageEngine(path) as storage, storage.engine.begin() as connection:
        metadata.create_all(connection)
        assert differences(connection, MetaData(), include_name=include_name) == []
        metadata.drop_all(connection)
        assert differences(connection, metadata, include_object=include_object) == []


def test_without_a_database_the_mapped_classes_are_known() -> None:
    hooks = migrate.exclude_managed(None)
    tables = models().tables
    included = [
        name
        for name, table in tables.items()
        if hooks["include_object"](table, name, "table", False, None)
    ]
    assert included == ["orders"]
    assert not hooks["include_name"]("_metadata", "table", {})


@pytest.mark.parametrize("begun", [True, False])
def test_the_transaction_of_the_connection_is_as_it_was(path: Path, begun: bool) -> None:
    """Alembic commits only what it has begun: with an open one, an upgrade would be lost."""
    with StorageEngine(path) as storage, storage.engine.connect() as connection:
        if begun:
            connection.begin()
        migrate.exclude_managed(connection)
        assert connection.in_transaction() == begun
