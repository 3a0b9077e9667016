"""``op.managed_tables``: a revision changes every managed table, or none."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.util import CommandError
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from mixpanel_data import StorageEngine, migrate
from mixpanel_data.schema.versions import HEAD
from tests.databases import facts, make_database
from tests.engines import open_engine
from tests.records import EVENTS, PROFILES, make_events, make_profiles
from tests.revisions import DIRECT, REBUILDING, config_with, go

pytestmark = pytest.mark.slow

NAMES = ["events_jan", "Events_Feb", "select", "order"]


@pytest.fixture
def application_file(path: Path) -> Path:
    """A file with several tables of ours, with and without keys, and several others."""
    make_database("application", path)
    with StorageEngine(path) as storage:
        for number, name in enumerate(NAMES):
            keyed = number % 2 == 0
            storage.create_events_table(name, make_events(50, number), EVENTS, primary_key=keyed)
        storage.create_profiles_table("users", make_profiles(20), PROFILES)
        storage.execute_rows("CREATE TABLE copy AS FROM events_jan")
        storage.execute_rows("CREATE INDEX mine ON events_jan (distinct_id)")
        storage.execute_rows("COMMENT ON TABLE events_jan IS 'January'")
        storage.execute_rows("COMMENT ON COLUMN events_jan.insert_id IS 'as sent'")
    return path


@pytest.fixture
def engine(application_file: Path) -> Iterator[Engine]:
    with open_engine(application_file) as engine:
        yield engine


def rows_by_table(path: Path) -> dict[str, Any]:
    return {name: rows for name, (_, rows) in facts(path).items()}


@pytest.mark.parametrize("revision", [REBUILDING, DIRECT], ids=["rebuilding", "direct"])
def test_a_revision_changes_every_table_of_ours_and_goes_back(
    revision: tuple[str, str], application_file: Path, engine: Engine, tmp_path: Path
) -> None:
    config = config_with(tmp_path / "versions", revision)
    before = facts(application_file)
    go(engine, config, "t1")
    engine.dispose()
    changed = facts(application_file)
    ours = {*NAMES, "_mixpanel_data_version"} | ({"users"} if revision is DIRECT else set())
    assert {name for name in before if before[name] != changed[name]} == ours
    for name in NAMES:
        assert "source" in changed[name][0]
        assert ("PRIMARY KEY" in changed[name][0]) == ("PRIMARY KEY" in before[name][0])
    go(engine, config, HEAD, down=True)
    engine.dispose()
    assert rows_by_table(application_file) == {name: rows for name, (_, rows) in before.items()}
    migrate.check(application_file)
    with StorageEngine(application_file) as storage:
        assert storage.append_events_table("events_jan", make_events(60), EVENTS) == 10
        rows = storage.execute_rows("SELECT index_name, table_name FROM duckdb_indexes()")
        assert ("mine", "events_jan") in rows
        comment = "SELECT comment FROM duckdb_tables() WHERE table_name = 'events_jan'"
        assert storage.execute_scalar(comment) == "January"


def renamed(revision: tuple[str, str], name: str) -> tuple[str, str]:
    """The same revision for a column of another name."""
    up, down = (body.replace("source", name) for body in revision)
    return up, down


FILLING = (
    """
    with op.managed_tables("events") as events:
        events.add_column(sa.Column("source", sa.String), fill="event_name || '!'")
    """,
    """
    with op.managed_tables("events") as events:
        events.drop_column("source")
    """,
)


def test_revisions_follow_each_other_in_one_transaction(
    application_file: Path, engine: Engine, tmp_path: Path
) -> None:
    config = config_with(
        tmp_path / "versions",
        FILLING,
        renamed(FILLING, "second"),
        renamed(REBUILDING, "third"),
    )
    before = rows_by_table(application_file)
    go(engine, config, "t3")
    engine.dispose()
    first = rows_by_table(application_file)["select"][0]
    assert first[-3:] == ("Purchase!", "Purchase!", "export")
    go(engine, config, HEAD, down=True)
    engine.dispose()
    assert rows_by_table(application_file) == before


@pytest.mark.parametrize("nullable", [True, False], ids=["direct", "rebuilding"])
def test_a_revision_that_fails_over_the_third_table_leaves_everything_as_it_was(
    nullable: bool, application_file: Path, engine: Engine, tmp_path: Path
) -> None:
    names = sorted(NAMES)
    with StorageEngine(application_file) as storage:
        poison = make_events(1, 1000)
        storage.append_events_table(names[2], poison, EVENTS)
        query = f"UPDATE \"{names[2]}\" SET distinct_id = 'poison' WHERE rowid = 50"
        storage.execute_rows(query)
    failing = f"""
    with op.managed_tables("events") as events:
        events.add_column(
            sa.Column("source", sa.String, nullable={nullable}),
            fill="CASE WHEN distinct_id = 'poison' THEN error('broken') ELSE 'fine' END",
        )
    """
    config = config_with(tmp_path / "versions", (failing, "pass"))
    before = facts(application_file)
    changed: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def note(c: Any, cursor: Any, statement: str, p: Any, context: Any, many: bool) -> None:
        if statement.startswith(("UPDATE", "INSERT INTO")):
            changed.append(statement)

    with pytest.raises(DBAPIError, match="broken"):
        go(engine, config, "head")
    engine.dispose()
    assert [next(name for name in names if name in statement) for statement in changed] == names[:3]
    assert facts(application_file) == before
    migrate.check(application_file)


def test_tables_without_metadata_are_left_as_they_are(
    application_file: Path, engine: Engine, tmp_path: Path
) -> None:
    before = facts(application_file)
    go(engine, config_with(tmp_path / "versions", REBUILDING), "head")
    engine.dispose()
    assert facts(application_file)["copy"] == before["copy"]
    assert migrate.status(application_file).unrecorded == ["copy"]


def test_a_table_dropped_in_sql_is_no_obstacle(
    application_file: Path, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql('DROP TABLE "order"')
    go(engine, config_with(tmp_path / "versions", REBUILDING), "head")
    engine.dispose()
    assert "name" in facts(application_file)["select"][0]


def test_the_operation_needs_a_database(path: Path, tmp_path: Path) -> None:
    config = config_with(tmp_path / "versions", DIRECT)
    config.cmd_opts = Namespace(x=[f"db={path}"])
    with pytest.raises(CommandError, match="no --sql"):
        command.upgrade(config, f"{HEAD}:head", sql=True)
