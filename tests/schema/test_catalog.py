"""Tables, schemas and metadata are listed, and listing changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete

from mixpanel_data import ColumnInfo, StorageEngine, TableInfo, TableNotFoundError
from mixpanel_data.schema.tables import managed_table
from tests.records import EVENTS, FETCHED_AT, PROFILES, make_events, make_profiles

INTERNAL = ["_metadata", "_mixpanel_data_version", "_property_columns", "_stale_columns"]


@pytest.fixture
def storage_with_tables(storage: StorageEngine) -> StorageEngine:
    storage.create_profiles_table("users", make_profiles(20), PROFILES)
    storage.create_events_table("events_jan", make_events(300), EVENTS)
    storage.execute_rows("CREATE TABLE orders (id INTEGER NOT NULL, total DECIMAL(18, 3))")
    storage.execute_rows("CREATE VIEW buyers AS SELECT distinct_id FROM events_jan")
    return storage


def test_the_managed_tables_are_listed_by_name_and_no_others(
    storage_with_tables: StorageEngine,
) -> None:
    assert storage_with_tables.list_tables() == [
        TableInfo("events_jan", "events", 300, FETCHED_AT),
        TableInfo("users", "profiles", 20, FETCHED_AT),
    ]


def test_a_new_database_has_no_tables(storage: StorageEngine) -> None:
    assert storage.list_tables() == []


def test_rows_are_counted_as_they_are_now(storage_with_tables: StorageEngine) -> None:
    table = managed_table("events", "events_jan")
    with storage_with_tables.session() as session:
        session.execute(delete(table).where(table.c.event_name == "Purchase"))
        session.commit()
    assert storage_with_tables.list_tables()[0].row_count == 200
    storage_with_tables.execute_rows("DELETE FROM users")
    assert storage_with_tables.list_tables()[1].row_count == 0


def test_tables_exist_whoever_made_them_in_any_case(storage_with_tables: StorageEngine) -> None:
    assert storage_with_tables.table_exists("events_jan")
    assert storage_with_tables.table_exists("EVENTS_JAN")
    assert storage_with_tables.table_exists("orders")


@pytest.mark.parametrize("name", [*INTERNAL, "buyers", "nothing", "", "a b", "events_jan; --"])
def test_other_names_do_not_exist(storage_with_tables: StorageEngine, name: str) -> None:
    assert not storage_with_tables.table_exists(name)


def test_the_schema_names_columns_types_and_keys(storage_with_tables: StorageEngine) -> None:
    schema = storage_with_tables.get_schema("events_jan")
    assert schema.table_name == "events_jan"
    assert schema.columns == [
        ColumnInfo("event_name", "VARCHAR", nullable=False, primary_key=False),
        ColumnInfo("event_time", "TIMESTAMP", nullable=False, primary_key=False),
        ColumnInfo("distinct_id", "VARCHAR", nullable=False, primary_key=False),
        ColumnInfo("insert_id", "VARCHAR", nullable=False, primary_key=True),
        ColumnInfo("properties", "JSON", nullable=True, primary_key=False),
    ]
    assert storage_with_tables.get_schema("users").columns == [
        ColumnInfo("distinct_id", "VARCHAR", nullable=False, primary_key=True),
        ColumnInfo("properties", "JSON", nullable=True, primary_key=False),
        ColumnInfo("last_seen", "TIMESTAMP", nullable=True, primary_key=False),
    ]


def test_the_schema_of_a_table_or_view_of_the_application_is_found_too(
    storage_with_tables: StorageEngine,
) -> None:
    assert storage_with_tables.get_schema("orders").columns == [
        ColumnInfo("id", "INTEGER", nullable=False, primary_key=False),
        ColumnInfo("total", "DECIMAL(18,3)", nullable=True, primary_key=False),
    ]
    assert [column.name for column in storage_with_tables.get_schema("buyers").columns] == [
        "distinct_id"
    ]


@pytest.mark.needs("keys")
def test_the_schema_of_a_table_of_the_application_has_its_key(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE orders (line INTEGER, id INTEGER, PRIMARY KEY (id, line))")
    columns = storage.get_schema("orders").columns
    assert [column.primary_key for column in columns] == [True, True]


def test_the_schema_of_any_duckdb_type_is_duckdbs_own_name_for_it(storage: StorageEngine) -> None:
    types = [
        "UHUGEINT",
        "VARCHAR[]",
        "STRUCT(a INTEGER, b VARCHAR)",
        "MAP(VARCHAR, DOUBLE)",
        "UUID",
    ]
    columns = ", ".join(f"c{n} {name}" for n, name in enumerate(types))
    storage.execute_rows(f"CREATE TABLE wide ({columns})")
    assert [column.type for column in storage.get_schema("wide").columns] == types


@pytest.mark.parametrize("name", [*INTERNAL, "nothing", ""])
def test_there_is_no_schema_of_internal_or_missing_tables(
    storage_with_tables: StorageEngine, name: str
) -> None:
    with pytest.raises(TableNotFoundError) as caught:
        storage_with_tables.get_schema(name)
    assert caught.value.table_name == name


@pytest.mark.parametrize("name", [*INTERNAL, "orders", "buyers", "nothing"])
def test_there_is_no_metadata_of_tables_that_are_not_managed(
    storage_with_tables: StorageEngine, name: str
) -> None:
    with pytest.raises(TableNotFoundError):
        storage_with_tables.get_metadata(name)


def test_a_table_of_the_application_can_be_dropped_but_not_one_of_ours_by_mistake(
    storage_with_tables: StorageEngine,
) -> None:
    storage_with_tables.drop_table("orders")
    assert not storage_with_tables.table_exists("orders")
    for name in ("buyers", "nothing"):
        with pytest.raises(TableNotFoundError):
            storage_with_tables.drop_table(name)
    for name in INTERNAL:
        with pytest.raises(ValueError, match="name of a table"):
            storage_with_tables.drop_table(name)
    assert len(storage_with_tables.list_tables()) == 2


def test_tables_in_an_attached_database_are_not_listed(
    storage_with_tables: StorageEngine, tmp_path: Path
) -> None:
    storage_with_tables.connection.execute(f"ATTACH '{tmp_path / 'other.db'}' AS other")
    storage_with_tables.connection.execute("CREATE TABLE other.elsewhere (id INTEGER)")
    storage_with_tables.connection.execute("CREATE TABLE other.users (id INTEGER)")
    assert not storage_with_tables.table_exists("elsewhere")
    assert storage_with_tables.list_tables()[1].row_count == 20
    assert len(storage_with_tables.get_schema("users").columns) == 3


def test_the_number_of_statements_does_not_grow_with_the_number_of_tables(
    storage: StorageEngine, statements: Callable[[StorageEngine], list[str]]
) -> None:
    counts = []
    for number in range(3):
        storage.create_events_table(f"t{number}", [], EVENTS)
        seen = statements(storage)
        storage.list_tables()
        counts.append(len(seen))
    assert counts[0] == counts[1] == counts[2]


def test_inspecting_changes_nothing(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("t", make_events(10), EVENTS)
    before = path.read_bytes()
    with StorageEngine(path) as storage:
        storage.list_tables()
        storage.table_exists("t")
        storage.get_schema("t")
        storage.get_metadata("t")
        storage.execute_df("SELECT * FROM t")
    assert path.read_bytes() == before
