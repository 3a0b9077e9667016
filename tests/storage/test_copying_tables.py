"""Tables copied to another database, with all that belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    DatabaseReadOnlyError,
    PropertyColumn,
    StorageEngine,
    TableExistsError,
    TableNotFoundError,
    migrate,
)
from tests.records import EVENTS, PROFILES, make_events, make_profiles

COLUMNS: list[Any] = ["$browser", PropertyColumn("number", "BIGINT", name="n")]


def facts(storage: StorageEngine, name: str) -> tuple[Any, ...]:
    return (
        storage.execute_rows(f"FROM {name} ORDER BY ALL"),
        storage.get_schema(name).columns,
        storage.get_metadata(name),
        storage.property_columns(name),
    )


@pytest.mark.parametrize("primary_key", [True, False])
def test_a_copy_has_rows_schema_metadata_and_property_columns(
    path: Path, primary_key: bool
) -> None:
    with StorageEngine.memory() as storage, StorageEngine(path) as other:
        options: Any = {"primary_key": primary_key, "property_columns": COLUMNS}
        storage.create_events_table("select", make_events(3), EVENTS, **options)
        storage.create_profiles_table("users", make_profiles(3), PROFILES)
        assert storage.copy_table("SELECT", other, new_name="jan") == 3
        assert storage.copy_table("users", other) == 3
        assert facts(other, "users") == facts(storage, "users")
        rows = storage.execute_rows('FROM "select" ORDER BY ALL')
        assert other.execute_rows("FROM jan ORDER BY ALL") == rows
        assert other.get_schema("jan").columns == storage.get_schema("select").columns
        assert other.property_columns("jan") == storage.property_columns("select")
        migrate.check(other)


def test_a_copy_goes_to_a_file_that_is_made(path: Path) -> None:
    with StorageEngine.memory() as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert storage.copy_table("jan", path) == 3
    with StorageEngine(path, read_only=True) as copied:
        assert copied.list_tables()[0].row_count == 3
        with pytest.raises(DatabaseReadOnlyError):
            copied.copy_table("jan", copied, new_name="feb")


def test_a_table_that_is_there_is_left_alone() -> None:
    with StorageEngine.memory() as storage, StorageEngine.memory() as other:
        storage.create_events_table("jan", make_events(3), EVENTS)
        other.create_events_table("jan", make_events(1), EVENTS)
        with pytest.raises(TableExistsError, match="new_name=") as caught:
            storage.copy_table("jan", other)
        assert "if_exists" not in str(caught.value)
        with pytest.raises(TableExistsError):
            storage.copy_table("jan", storage)
        with pytest.raises(TableNotFoundError, match="Did you mean 'jan'"):
            storage.copy_table("jam", other)
        assert other.execute_scalar("SELECT count(*) FROM jan") == 1
        assert storage.copy_table("jan", storage, new_name="feb") == 3


def test_a_sandbox_copies_whole_tables(path: Path) -> None:
    with StorageEngine.memory(sandbox=True) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        assert storage.copy_table("jan", path) == 3


@pytest.mark.parametrize("wrong", [("nope", None), ("users", "_internal")])
def test_a_table_or_name_that_there_is_not_leaves_no_database(path: Path, wrong: Any) -> None:
    name, new_name = wrong
    with StorageEngine.memory() as storage:
        storage.create_profiles_table("users", make_profiles(3), PROFILES)
        with pytest.raises((TableNotFoundError, ValueError)):
            storage.copy_table(name, path, new_name=new_name)
    assert not path.exists()
