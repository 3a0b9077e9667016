"""Tables as a whole: renamed, adopted, dropped, and told about."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixpanel_data import (
    DatabaseReadOnlyError,
    QueryError,
    StorageEngine,
    TableExistsError,
    TableMetadata,
    TableNameError,
    TableNotFoundError,
    TableShapeError,
    migrate,
)
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

COLUMNS = (
    "event_name VARCHAR NOT NULL, event_time TIMESTAMP NOT NULL, distinct_id VARCHAR NOT NULL, "
    "insert_id VARCHAR, properties JSON"
)


def names_of(storage: StorageEngine) -> list[str]:
    return [table.name for table in storage.list_tables()]


def test_a_table_is_renamed_with_its_rows_key_and_metadata(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    before = storage.get_metadata("jan")
    storage.rename_table("JAN", "january")
    assert names_of(storage) == ["january"]
    assert storage.get_metadata("january") == before
    assert storage.append_events_table("january", make_events(6), EVENTS) == 1
    assert storage.get_schema("january").columns[3].primary_key
    with pytest.raises(TableNotFoundError):
        storage.get_metadata("jan")


def test_only_the_case_of_a_name_can_change(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    storage.rename_table("jan", "Jan")
    assert names_of(storage) == ["Jan"]


def test_a_table_that_is_not_ours_is_renamed_too(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE a AS SELECT 42 AS x")
    storage.rename_table("a", "select")
    assert storage.execute_scalar('SELECT x FROM "select"') == 42


def test_a_name_that_is_taken_is_not_given(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    storage.execute_rows("CREATE VIEW v AS SELECT 1")
    storage.execute_rows("CREATE TABLE other (a INT)")
    for taken in ("v", "Other"):
        with pytest.raises(TableExistsError, match="Choose another name, or drop it"):
            storage.rename_table("jan", taken)
    assert names_of(storage) == ["jan"]


def test_names_and_tables_are_checked(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    for old, new in (("jan", "_x"), ("_metadata", "x"), ("jan", "a b")):
        with pytest.raises(TableNameError):
            storage.rename_table(old, new)
    with pytest.raises(TableNotFoundError):
        storage.rename_table("feb", "march")


def test_an_index_that_is_in_the_way_is_named(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(5), EVENTS)
    storage.execute_rows("CREATE INDEX by_name ON jan (event_name)")
    with pytest.raises(QueryError, match="by_name"):
        storage.rename_table("jan", "feb")
    assert names_of(storage) == ["jan"]


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS + ", PRIMARY KEY (insert_id)"])
def test_a_table_that_fits_is_adopted(storage: StorageEngine, columns: str) -> None:
    storage.execute_rows(f"CREATE TABLE jan ({columns})")
    storage.execute_rows("INSERT INTO jan VALUES ('Tap', '2025-01-01', 'u', 'a', '{}')")
    storage.adopt_table("JAN", EVENTS)
    assert storage.list_tables()[0].row_count == 1
    assert storage.get_metadata("jan") == EVENTS
    data = [make_event(0, insert_id="a", event_name="Tap"), make_event(1)]
    assert storage.append_events_table("jan", data, EVENTS) == 1


BAD_ROWS: dict[str, str] = {
    "whose 'insert_id' another row has": "('a', now(), 'u', 'x', '{}'), " * 2,
    "1 rows without 'insert_id'": "('a', now(), 'u', NULL, '{}')",
    "2 rows whose 'properties' are no JSON object": """
        ('a', now(), 'u', 'x', '[]'), ('a', now(), 'u', 'y', '1'),
        ('a', now(), 'u', 'z', NULL), ('a', now(), 'u', 'w', 'null')""",
}


DEEP = '{"a":' + 254 * "[" + 254 * "]" + "}"

#: What SQL can store and no load does; the key of the row is x.
NOT_LOADED = {
    "('a', 'infinity', 'u', 'x', '{}')": "'event_time' is not between the years 1 and 9999",
    "('a', '-infinity', 'u', 'x', '{}')": "'event_time' is not between",
    "('a', '10000-01-01', 'u', 'x', '{}')": "'event_time' is not between",
    "('a', '0001-01-01 (BC)', 'u', 'x', '{}')": "'event_time' is not between",
    "('a', now(), 'u', 'x', NULL)": "'properties' are NULL. Make them '{}'",
    "('a', now(), 'u', 'x', 'null')": "'properties' are NULL",
    """('a', now(), 'u', 'x', '{"a":1,"a":2}')""": "have a member twice. Leave one of them",
    """('a', now(), 'u', 'x', '{"a":[{"b":1,"c":2,"b":1}]}')""": "have a member twice",
    """('a', now(), 'u', 'x', '{"a":1,"\\u0061":1,"b":12345678901234567890}')""": "member twice",
    """('a', now(), 'u', 'x', '{"a":NaN}')""": "no strict JSON, such as NaN. Correct them",
    """('a', now(), 'u', 'x', '{"a":[-Infinity]}')""": "no strict JSON",
    f"('a', now(), 'u', 'x', '{DEEP}')": "are nested more than",
}


@pytest.mark.parametrize("row", NOT_LOADED)
def test_rows_that_no_load_could_have_stored_are_not_adopted(
    storage: StorageEngine, row: str
) -> None:
    storage.execute_rows(f"CREATE TABLE jan ({COLUMNS})")
    storage.execute_rows(f"INSERT INTO jan VALUES ('a', now(), 'u', 'a', '{{}}'), {row}")
    problem = f"has 1 rows whose .*{NOT_LOADED[row]}.*One has the 'insert_id' 'x'"
    with pytest.raises(TableShapeError, match=problem):
        storage.adopt_table("jan", EVENTS)
    assert storage.list_tables() == []


def test_a_profile_that_was_never_seen_is_adopted_and_one_of_no_year_is_not(
    storage: StorageEngine,
) -> None:
    for name, time in (("fits", "NULL"), ("other", "'infinity'")):
        storage.execute_rows(
            f"CREATE TABLE {name} AS SELECT 'ada' AS distinct_id, '{{}}'::JSON AS properties, "
            f"{time}::TIMESTAMP AS last_seen"
        )
    storage.adopt_table("fits", PROFILES)
    with pytest.raises(TableShapeError, match="'last_seen' is not between"):
        storage.adopt_table("other", PROFILES)


def test_documents_that_are_written_in_other_ways_are_adopted(storage: StorageEngine) -> None:
    storage.execute_rows(f"CREATE TABLE jan ({COLUMNS})")
    document = '{"a": 1.50, "b": {"a": 12345678901234567890123}, "\\u0063": [1e999]}'
    storage.execute_rows(f"INSERT INTO jan VALUES ('a', now(), 'u', 'x', '{document}')")
    storage.adopt_table("jan", EVENTS)
    assert storage.execute_scalar("SELECT properties FROM jan") == document


@pytest.mark.parametrize("problem", BAD_ROWS)
def test_a_table_whose_rows_do_not_fit_is_left_alone(storage: StorageEngine, problem: str) -> None:
    storage.execute_rows(f"CREATE TABLE jan ({COLUMNS})")
    storage.execute_rows(f"INSERT INTO jan VALUES {BAD_ROWS[problem].rstrip(', ')}")
    with pytest.raises(TableShapeError, match=problem):
        storage.adopt_table("jan", EVENTS)
    assert storage.list_tables() == []


@pytest.mark.parametrize(
    "create",
    [
        "CREATE TABLE made AS SELECT 'ada' AS distinct_id, '{}'::JSON AS properties, "
        "NULL::TIMESTAMP AS last_seen",
        "CREATE TABLE made (properties JSON NOT NULL, last_seen TIMESTAMP, distinct_id VARCHAR)",
        "CREATE TABLE made (distinct_id VARCHAR UNIQUE NOT NULL, properties JSON, "
        "last_seen TIMESTAMP)",
    ],
)
def test_an_adopted_table_is_as_the_check_wants_it(storage: StorageEngine, create: str) -> None:
    storage.execute_rows(create)
    storage.adopt_table("made", PROFILES)
    migrate.check(storage)
    columns = {column.name: column.nullable for column in storage.get_schema("made").columns}
    assert columns == {"distinct_id": False, "properties": True, "last_seen": True}
    storage.append_profiles_table("made", make_profiles(2), PROFILES)
    migrate.check(storage)


@pytest.mark.parametrize(
    "create",
    [
        "CREATE TABLE made (distinct_id VARCHAR, properties JSON, last_seen TIMESTAMP); "
        "CREATE INDEX seen ON made (last_seen)",
        "CREATE TABLE made (distinct_id VARCHAR UNIQUE, properties JSON, last_seen TIMESTAMP); "
        "CREATE TABLE child (id VARCHAR REFERENCES made (distinct_id))",
    ],
)
def test_a_table_that_duckdb_cannot_alter_is_left_alone(
    storage: StorageEngine, create: str
) -> None:
    storage.execute_rows(create)
    with pytest.raises(TableShapeError, match=r"column 'distinct_id' that may be NULL.*Drop"):
        storage.adopt_table("made", PROFILES)
    assert storage.list_tables() == []
    assert storage.get_schema("made").columns[0].nullable


def test_a_table_with_other_columns_is_left_alone(storage: StorageEngine) -> None:
    storage.execute_rows("CREATE TABLE jan (event_name VARCHAR, event_time DATE)")
    with pytest.raises(TableShapeError, match="event_time DATE"):
        storage.adopt_table("jan", EVENTS)
    with pytest.raises(TableNotFoundError):
        storage.adopt_table("feb", EVENTS)


def test_a_table_of_ours_is_not_adopted_again(storage: StorageEngine) -> None:
    storage.create_events_table("jan", make_events(1), EVENTS)
    with pytest.raises(TableExistsError, match="nothing to adopt"):
        storage.adopt_table("jan", EVENTS)


@pytest.mark.parametrize(
    ("kind", "left"), [(None, []), ("events", ["users"]), ("profiles", ["feb", "jan"])]
)
def test_all_tables_of_a_type_are_dropped_and_no_other(
    storage: StorageEngine, kind: Any, left: list[str]
) -> None:
    storage.create_events_table("jan", make_events(1), EVENTS)
    storage.create_events_table("feb", make_events(1), EVENTS)
    storage.create_profiles_table("users", make_profiles(1), PROFILES)
    storage.execute_rows("CREATE TABLE mine (a INT)")
    dropped = storage.drop_all(kind)
    assert sorted([*dropped, *left]) == ["feb", "jan", "users"]
    assert names_of(storage) == left
    assert storage.table_exists("mine")
    with pytest.raises(ValueError, match="type is 'all'"):
        storage.drop_all("all")  # type: ignore[arg-type]


def test_info_tells_file_size_revision_tables_and_version(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
        info = storage.info()
        assert info.path == path
        assert info.size is not None
        assert info.size >= path.stat().st_size > 0
        assert info.revision == storage.schema_revision
        assert [table.name for table in info.tables] == ["jan"]
        assert info.duckdb_version == duckdb.__version__


def test_a_database_in_memory_has_neither_path_nor_size() -> None:
    with StorageEngine.memory() as storage:
        info = storage.info()
    assert (info.path, info.size, info.tables) == (None, None, [])


def test_nothing_of_it_can_be_done_read_only(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(3), EVENTS)
    metadata = TableMetadata("events", datetime(2025, 1, 1))
    with StorageEngine(path, read_only=True) as storage:
        for call in (
            lambda: storage.rename_table("jan", "feb"),
            lambda: storage.adopt_table("jan", metadata),
            storage.drop_all,
            lambda: storage.replace_range("jan", [], "2025-01-01", "2025-01-02", metadata),
        ):
            with pytest.raises(DatabaseReadOnlyError):
                call()
        assert storage.info().tables[0].row_count == 3
