"""Databases of other versions and applications: recognised, adopted, upgraded, and then used."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timezone
from pathlib import Path

import duckdb
import pytest
from sqlalchemy import select

from mixpanel_data import (
    DatabaseCorruptError,
    DatabaseFileError,
    DatabaseFormatError,
    MigrationError,
    SchemaForeignError,
    SchemaNewerError,
    SchemaOlderError,
    SchemaUnversionedError,
    SchemaVersionError,
    StorageEngine,
    TableNotFoundError,
    migrate,
)
from mixpanel_data.schema.tables import managed_table
from mixpanel_data.schema.versions import HEAD, REVISIONS
from tests.databases import (
    FOLDER,
    facts,
    make_database,
    make_newer_format,
    make_text_file,
)
from tests.records import EVENTS, PROFILES, make_events, make_profiles

#: What made the files that the library can work with, and the revision they have.
OURS = {"original": None, **{revision: revision for revision in REVISIONS}}

REFUSED: dict[str, tuple[type[SchemaVersionError], str | None]] = {
    "original": (SchemaUnversionedError, None),
    "0001": (SchemaOlderError, "0001"),
    "newer": (SchemaNewerError, "0999"),
    "foreign": (SchemaForeignError, None),
}


def rows_of_tables(path: Path) -> dict[str, object]:
    """The rows of the events and profiles tables of the recipes."""
    found = facts(path)
    return {name: found[name] for name in ("events_jan", "events_feb", "users")}


def use(path: Path) -> None:
    """Do what users do, and undo it."""
    with StorageEngine(path) as storage:
        names = [(info.name, info.type, info.row_count) for info in storage.list_tables()]
        assert names == [("events_jan", "events", 3), ("users", "profiles", 2)]
        assert storage.append_events_table("events_jan", make_events(2), EVENTS) == 2
        assert storage.append_profiles_table("users", make_profiles(3), PROFILES) == 2
        assert storage.create_events_table("more", make_events(4), EVENTS) == 4
        first = storage.execute_rows("SELECT event_name, event_time FROM events_jan LIMIT 1")
        assert first == [("Sign Up", datetime(2025, 1, 1, 0, 0, 0, 123456))]
        table = managed_table("events", "events_jan")
        with storage.session() as session:
            amount = table.c.properties["amount"]
            found = session.scalars(select(amount).where(table.c.insert_id == "a2"))
            assert found.all() == [123456789012345678901234567890]

        storage.drop_table("more")
        storage.execute_rows("DELETE FROM events_jan WHERE length(insert_id) > 2")
        storage.execute_rows("DELETE FROM users WHERE distinct_id NOT IN ('user-1', 'Zoë')")


def test_there_is_a_recipe_for_every_revision() -> None:
    recipes = {recipe.stem for recipe in FOLDER.glob("*.sql")}
    assert recipes == {*OURS, *REFUSED, "application"}


@pytest.mark.parametrize("recipe", OURS)
def test_a_file_of_ours_is_upgraded_used_downgraded_and_upgraded_again(
    recipe: str, path: Path
) -> None:
    make_database(recipe, path)
    before = rows_of_tables(path)
    result = migrate.upgrade(path)
    assert (result.before, result.after) == (OURS[recipe], HEAD)
    assert result.unrecorded == ["events_feb"]
    assert rows_of_tables(path) == before
    migrate.check(path)
    migrate.check(path)
    use(path)
    for revision in REVISIONS[::-1]:
        assert migrate.downgrade(path, revision).after == revision
        assert rows_of_tables(path) == before
    assert migrate.upgrade(path).after == HEAD
    assert rows_of_tables(path) == before
    migrate.check(path)
    use(path)


def test_an_adopted_table_keeps_its_metadata(path: Path) -> None:
    make_database("original", path)
    with StorageEngine(path, migrate=True) as storage:
        metadata = storage.get_metadata("events_jan")
    assert metadata.fetched_at == datetime(2025, 2, 1, 8, 30, tzinfo=timezone.utc)
    assert (metadata.from_date, metadata.to_date) == ("2025-01-01", "2025-01-31")
    assert (metadata.filter_events, metadata.filter_where) == (None, None)


def test_adoption_names_the_tables_without_metadata(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_database("original", path)
    StorageEngine(path, migrate=True).close()
    (message,) = [record.message for record in caplog.records if record.name == "mixpanel_data"]
    assert "no metadata for events_feb" in message


@pytest.mark.parametrize("recipe", OURS)
def test_opening_with_migrate_upgrades_what_needs_it(recipe: str, path: Path) -> None:
    make_database(recipe, path)
    before = rows_of_tables(path)
    with StorageEngine.open_existing(path, migrate=True) as storage:
        assert storage.schema_revision == HEAD
    assert not path.with_name(f"{path.name}.wal").exists()
    assert rows_of_tables(path) == before
    use(path)


def test_opening_with_migrate_makes_a_new_file_too(path: Path) -> None:
    with StorageEngine(path, migrate=True) as storage:
        assert storage.schema_revision == HEAD


def test_opening_with_migrate_and_read_only_is_a_contradiction(path: Path) -> None:
    make_database("0001", path)
    with pytest.raises(ValueError, match="read_only"):
        StorageEngine(path, migrate=True, read_only=True)


@pytest.mark.parametrize("column", ["x INTEGER", "table_name VARCHAR", "type VARCHAR"])
def test_the_status_of_a_file_with_metadata_of_another_program_is_foreign(
    path: Path, column: str
) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE _metadata ({column})")
    before = path.read_bytes()
    found = migrate.status(path)
    assert (found.state, found.revision, found.tables) == ("foreign", None, [])
    assert path.read_bytes() == before


@pytest.mark.parametrize("recipe", ["newer", "foreign"])
def test_opening_with_migrate_refuses_what_cannot_be_upgraded(recipe: str, path: Path) -> None:
    make_database(recipe, path)
    before = path.read_bytes()
    with pytest.raises(REFUSED[recipe][0]):
        StorageEngine(path, migrate=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("recipe", REFUSED)
def test_opening_what_is_not_at_head_says_why_and_changes_nothing(
    recipe: str, read_only: bool, path: Path
) -> None:
    make_database(recipe, path)
    before = path.read_bytes()
    error, found = REFUSED[recipe]
    with pytest.raises(error, match="Nothing was changed") as caught:
        StorageEngine(path, read_only=read_only)
    assert (caught.value.path, caught.value.found) == (path, found)
    assert caught.value.expected == HEAD
    assert str(found or HEAD) in caught.value.message
    assert HEAD in caught.value.message
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("recipe", ["original", "0001"])
def test_the_command_in_the_message_upgrades_the_file(recipe: str, tmp_path: Path) -> None:
    path = make_database(recipe, tmp_path / "it's 50 %.db")
    with pytest.raises(SchemaVersionError) as caught:
        StorageEngine(path)
    command = caught.value.command
    assert command is not None
    assert caught.value.message.endswith(command)
    _, *arguments = shlex.split(command)
    subprocess.run([sys.executable, *arguments], check=True, cwd="/")
    use(path)


def test_a_newer_file_asks_for_a_newer_library(path: Path) -> None:
    make_database("newer", path)
    with pytest.raises(SchemaNewerError) as caught:
        StorageEngine(path)
    assert caught.value.command == "pip install --upgrade mixpanel_data"


@pytest.mark.parametrize("recipe", ["newer", "foreign"])
def test_what_is_newer_or_not_ours_is_neither_upgraded_nor_downgraded(
    recipe: str, path: Path
) -> None:
    make_database(recipe, path)
    before = path.read_bytes()
    with pytest.raises(REFUSED[recipe][0]):
        migrate.upgrade(path)
    with pytest.raises(REFUSED[recipe][0]):
        migrate.downgrade(path, "base")
    with pytest.raises(REFUSED[recipe][0]):
        migrate.check(path)
    assert path.read_bytes() == before


def test_an_original_file_cannot_be_downgraded(path: Path) -> None:
    make_database("original", path)
    with pytest.raises(SchemaUnversionedError):
        migrate.downgrade(path, "base")


@pytest.mark.parametrize("way", ["open", "upgrade", "migrate"])
def test_our_tables_are_added_beside_those_of_an_application(way: str, path: Path) -> None:
    make_database("application", path)
    theirs = facts(path)
    assert migrate.status(path).state == "absent"
    if way == "upgrade":
        migrate.upgrade(path)
    with StorageEngine(path, migrate=way == "migrate") as storage:
        assert storage.list_tables() == []
        assert storage.schema_revision == (HEAD if way == "upgrade" else None)
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        assert storage.schema_revision == HEAD
        assert storage.execute_rows("FROM busy") == [(1, 2)]
    migrate.check(path)
    found = facts(path)
    assert {name: found[name] for name in theirs} == theirs


def test_reading_the_file_of_an_application_adds_nothing(path: Path) -> None:
    make_database("application", path)
    before = path.read_bytes()
    with StorageEngine(path, read_only=True) as storage:
        assert storage.list_tables() == []
        assert storage.schema_revision is None
        assert storage.execute_scalar("SELECT count(*) FROM orders") == 2
    with StorageEngine(path) as storage:
        assert storage.list_tables() == []
        with pytest.raises(TableNotFoundError):
            storage.append_events_table("orders", make_events(3), EVENTS)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused(path: Path, read_only: bool) -> None:
    before = make_text_file(path).read_bytes()
    with pytest.raises(DatabaseCorruptError, match="no DuckDB database"):
        StorageEngine(path, read_only=read_only)
    for look in (migrate.status, migrate.check, migrate.upgrade):
        with pytest.raises(DatabaseCorruptError, match="no DuckDB database"):
            look(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_a_newer_duckdb_asks_for_a_newer_duckdb(path: Path, read_only: bool) -> None:
    before = make_newer_format(path).read_bytes()
    with pytest.raises(DatabaseFormatError, match="pip install --upgrade duckdb"):
        StorageEngine(path, read_only=read_only)
    for look in (migrate.status, migrate.upgrade):
        with pytest.raises(DatabaseFormatError):
            look(path)
    assert path.read_bytes() == before


def test_the_internal_table_of_another_shape_is_not_adopted(path: Path) -> None:
    make_database("original", path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE _metadata ALTER COLUMN row_count TYPE VARCHAR")
    before = facts(path)
    with pytest.raises(MigrationError, match="column row_count: the type is VARCHAR") as caught:
        migrate.upgrade(path)
    assert isinstance(caught.value.__cause__, ValueError)
    assert isinstance(caught.value, DatabaseFileError)
    assert facts(path) == before


def test_a_file_that_lost_its_version_is_not_taken_for_an_original_one(path: Path) -> None:
    make_database("0002", path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE _mixpanel_data_version")
    with pytest.raises(MigrationError, match="column row_count: the type is BIGINT"):
        migrate.upgrade(path)


@pytest.mark.parametrize("loss", ["DELETE FROM", "DROP TABLE"])
@pytest.mark.parametrize("revision", REVISIONS[1:])
def test_a_file_that_lost_its_version_is_told_how_to_write_it_down(
    revision: str, loss: str, path: Path
) -> None:
    make_database(revision, path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"{loss} _mixpanel_data_version")
    before = path.read_bytes()
    looks: tuple[Callable[[Path], object], ...] = (
        StorageEngine,
        migrate.check,
        lambda file: migrate.downgrade(file, "0001"),
    )
    for look in looks:
        with pytest.raises(SchemaUnversionedError, match="Restore a backup, or write") as caught:
            look(path)
        assert "original" not in str(caught.value)
        assert caught.value.layout == revision
    upgrades: tuple[Callable[[Path], object], ...] = (
        migrate.upgrade,
        lambda file: StorageEngine(file, migrate=True),
    )
    for look in upgrades:
        with pytest.raises(MigrationError, match=f"alembic -x db=PATH stamp {revision}") as failed:
            look(path)
        assert "did not create it" not in str(failed.value)
    assert path.read_bytes() == before
    assert caught.value.command is not None
    _, *command = shlex.split(caught.value.command)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    assert migrate.status(path).revision == revision
    migrate.upgrade(path)
    migrate.check(path)


def test_what_an_older_revision_has_no_place_for_stops_a_downgrade(path: Path) -> None:
    make_database("0002", path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE _metadata SET row_count = 3000000000 WHERE type = 'events'")
    before = facts(path)
    with pytest.raises(MigrationError, match="Nothing was changed") as caught:
        migrate.downgrade(path, "0001")
    assert (caught.value.found, caught.value.expected) == ("0002", "0001")
    assert isinstance(caught.value.__cause__, duckdb.Error)
    assert facts(path) == before
    migrate.upgrade(path)
    migrate.check(path)


def test_the_filters_are_what_a_downgrade_loses(path: Path) -> None:
    make_database("0002", path)
    migrate.downgrade(path, "0001")
    migrate.upgrade(path)
    with StorageEngine(path) as storage:
        metadata = storage.get_metadata("events_jan")
        assert (metadata.filter_events, metadata.filter_where) == (None, None)
        rows = storage.execute_rows("SELECT from_date, row_count FROM _metadata ORDER BY ALL")
        assert rows == [(date(2025, 1, 1), 3), (None, 2)]
