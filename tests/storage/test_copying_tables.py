"""Tables copied to another database, with all that belongs to them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import (
    DatabaseReadOnlyError,
    PropertyColumn,
    RecordError,
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


NUMBERS = [Decimal(text) for text in ("12345678901234567890.12", "1.10", "1E+400")] + [1e16, 2**70]


@pytest.mark.parametrize("primary_key", [True, False])
def test_the_documents_of_a_copy_are_the_same_texts(path: Path, primary_key: bool) -> None:
    documents = [{"numbers": NUMBERS}, {"é\n\x01": "ü"}, {}]
    users = [{"distinct_id": f"{n}", "properties": each} for n, each in enumerate(documents)]
    with StorageEngine.memory() as storage, StorageEngine(path) as other:
        storage.create_profiles_table("users", users, PROFILES, primary_key=primary_key)
        storage.execute_rows(
            "INSERT INTO users SELECT unnest(['sql', 'last']),"
            """ unnest([' {"a" : 1.50, "\\u003a":1, "b":[ ]}', '{"a":1,"a":2.0}']), NULL"""
        )
        storage.copy_table("users", other)
        texts = "SELECT distinct_id, properties::VARCHAR FROM users ORDER BY ALL"
        assert other.execute_rows(texts) == storage.execute_rows(texts)
        assert "12345678901234567890.12,1.10,1E+400," in other.execute_rows(texts)[0][1]


def test_the_ids_of_a_copy_are_the_same() -> None:
    event = {"event_name": "Tap", "event_time": 0, "distinct_id": "", "insert_id": "x"}
    rows = [{**event, "properties": {}}]
    with StorageEngine.memory() as storage, StorageEngine.memory() as other:
        storage.create_events_table("jan", rows, EVENTS)
        storage.execute_rows("UPDATE jan SET insert_id = ''")
        storage.copy_table("jan", other)
        assert other.execute_rows("FROM jan") == storage.execute_rows("FROM jan")


@pytest.mark.parametrize("text", ["[1]", "null", '{"a": NaN}'])
def test_what_is_no_document_is_not_copied(text: str) -> None:
    with StorageEngine.memory() as storage, StorageEngine.memory() as other:
        storage.create_profiles_table("users", make_profiles(1), PROFILES)
        storage.execute_rows("UPDATE users SET properties = $1::JSON", [text])
        with pytest.raises(RecordError):
            storage.copy_table("users", other)
        assert other.list_tables() == []


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
