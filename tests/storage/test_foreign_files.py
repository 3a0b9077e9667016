"""Files of other applications and of other versions of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from mixpanel_data import (
    MixpanelDataError,
    SchemaForeignError,
    SchemaNewerError,
    SchemaUnversionedError,
    StorageEngine,
    TableNotFoundError,
    migrate,
)
from tests.files import snapshot_of
from tests.records import EVENTS, make_events
from tests.storage.helpers import fill


@pytest.fixture
def foreign(path: Path) -> Path:
    """A database file made by an application, with tables of its own."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total DECIMAL(8, 2))")
        connection.execute("INSERT INTO orders VALUES (1, 9.99), (2, 0.01)")
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR)")
        connection.execute("INSERT INTO alembic_version VALUES ('theirs')")
    return path


def catalog(path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "SELECT table_name, sql FROM duckdb_tables() ORDER BY 1"
        ).fetchall()


def test_inspecting_the_file_of_an_application_changes_nothing(foreign: Path) -> None:
    before = snapshot_of(foreign.parent)
    with StorageEngine(foreign) as storage:
        assert storage.list_tables() == []
        assert storage.table_exists("orders")
        assert not storage.table_exists("jan")
        assert [column.name for column in storage.get_schema("orders").columns] == ["id", "total"]
        for refused in (
            lambda: storage.get_metadata("orders"),
            lambda: storage.get_schema("jan"),
            lambda: storage.append_events_table("orders", make_events(1), EVENTS),
            lambda: storage.append_events_table("jan", make_events(1), EVENTS),
            lambda: storage.drop_table("jan"),
        ):
            with pytest.raises(TableNotFoundError):
                refused()
    assert snapshot_of(foreign.parent) == before


def test_the_first_create_puts_our_tables_beside_those_of_the_application(foreign: Path) -> None:
    before = catalog(foreign)
    with StorageEngine(foreign) as storage:
        fill(storage)
        assert [table.name for table in storage.list_tables()] == ["jan", "users"]
        assert storage.execute_rows("SELECT * FROM orders ORDER BY id")[1][0] == 2
        assert storage.execute_rows("SELECT * FROM alembic_version") == [("theirs",)]
    after = catalog(foreign)
    assert [entry for entry in after if entry in before] == before
    assert {"jan", "users", "_metadata"} < {name for name, _ in after}
    with StorageEngine(foreign, read_only=True) as storage:
        assert storage.get_metadata("jan") == EVENTS


def test_a_create_that_fails_leaves_nothing_beside_the_tables_of_the_application(
    foreign: Path,
) -> None:
    before = catalog(foreign)
    with StorageEngine(foreign) as storage, pytest.raises(MixpanelDataError):
        storage.create_events_table("jan", [*make_events(3), {}], EVENTS)
    assert catalog(foreign) == before


@pytest.mark.parametrize("read_only", [False, True])
def test_internal_tables_without_a_revision_are_refused_and_left_alone(
    path: Path, read_only: bool
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE _metadata (table_name VARCHAR PRIMARY KEY, type VARCHAR)")
    before = snapshot_of(path.parent)
    with pytest.raises(SchemaUnversionedError) as caught:
        StorageEngine(path, read_only=read_only)
    assert caught.value.path == path
    assert caught.value.found is None
    assert snapshot_of(path.parent) == before
    assert catalog(path)[0][0] == "_metadata"  # and the file is free again


@pytest.mark.parametrize("read_only", [False, True])
def test_an_unknown_revision_is_refused_and_left_alone(
    database_file: Path, read_only: bool
) -> None:
    with duckdb.connect(str(database_file)) as connection:
        connection.execute("UPDATE _mixpanel_data_version SET version_num = 'unknown'")
    before = snapshot_of(database_file.parent)
    with pytest.raises(SchemaNewerError) as caught:
        StorageEngine(database_file, read_only=read_only)
    assert caught.value.path == database_file
    assert caught.value.found == "unknown"
    assert isinstance(caught.value, OSError)
    assert snapshot_of(database_file.parent) == before
    assert len(catalog(database_file)) == 6


@pytest.mark.parametrize("kind", ["VIEW {} AS SELECT 1 AS a", "TABLE {} (a INTEGER)"])
@pytest.mark.parametrize("name", ["_metadata", "_METADATA", "_property_columns"])
def test_a_view_or_table_with_a_name_of_ours_makes_a_file_foreign(
    path: Path, kind: str, name: str
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE {kind.format(name)}")
    before = snapshot_of(path.parent)
    with pytest.raises(SchemaForeignError, match=r"Rename it"):
        StorageEngine(path)
    assert migrate.status(path).state == "foreign"
    assert snapshot_of(path.parent) == before
