"""Revisions and Alembic: new databases are at head, tables of other applications are left alone."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.ddl.impl import DefaultImpl
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from mixpanel_data import StorageEngine
from mixpanel_data.dialect.base import MixpanelDialect
from mixpanel_data.schema.versions import HEAD, REVISIONS
from tests.databases import facts, make_database, make_text_file
from tests.records import EVENTS, make_events

ROOT = Path(__file__).parents[2]


def config_for(path: Path) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.cmd_opts = Namespace(x=[f"db={path}"])
    return config


def catalog_of(path: Path) -> list[Any]:
    """What DuckDB knows of the tables in a file."""
    with StorageEngine(path, read_only=True) as storage:
        return storage.execute_rows(
            "SELECT table_name, sql FROM duckdb_tables() ORDER BY table_name"
        ) + storage.execute_rows("SELECT * FROM _mixpanel_data_version")


@pytest.fixture(autouse=True)
def no_url_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIXPANEL_DATA_URL", raising=False)


def test_there_is_one_head_and_the_library_knows_all_revisions() -> None:
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    assert script.get_heads() == [HEAD]
    assert [step.revision for step in script.walk_revisions()] == list(REVISIONS)[::-1]


def test_a_fresh_database_is_what_the_migrations_make(tmp_path: Path) -> None:
    StorageEngine(tmp_path / "fresh.db").close()
    command.upgrade(config_for(tmp_path / "migrated.db"), "head")
    assert catalog_of(tmp_path / "fresh.db") == catalog_of(tmp_path / "migrated.db")


def test_every_revision_goes_down_to_what_was_there_and_up_again(path: Path) -> None:
    command.upgrade(config_for(path), HEAD)
    command.downgrade(config_for(path), "base")
    before = facts(path)
    for revision in REVISIONS:
        command.upgrade(config_for(path), revision)
        after = facts(path)
        command.downgrade(config_for(path), "-1")
        assert facts(path) == before
        command.upgrade(config_for(path), "+1")
        assert facts(path) == after
        before = after


@pytest.mark.parametrize("made_by", ["library", "migrations"])
def test_check_finds_nothing_to_do_twice_in_a_row(path: Path, made_by: str) -> None:
    if made_by == "library":
        with StorageEngine(path) as storage:
            storage.create_events_table("events_jan", make_events(3), EVENTS)
            storage.execute_rows("CREATE TABLE orders (id INTEGER)")
    else:
        command.upgrade(config_for(path), "head")
    command.check(config_for(path))
    command.check(config_for(path))


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("ALTER TABLE _metadata DROP COLUMN filter_where", ["_metadata", "filter_where"]),
        ("ALTER TABLE events_jan DROP COLUMN properties", ["events_jan", "properties"]),
        (
            "ALTER TABLE events_jan ALTER COLUMN event_time TYPE VARCHAR",
            ["modify_type", "events_jan", "event_time"],
        ),
    ],
)
def test_check_names_the_table_and_column_that_have_drifted(
    path: Path, statement: str, names: list[str]
) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
        storage.execute_rows(statement)
    for _ in range(2):
        with pytest.raises(CommandError) as caught:
            command.check(config_for(path))
        assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize("look", [command.current, command.check])
def test_commands_that_only_read_create_and_change_nothing(path: Path, look: Any) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        look(config_for(path))
    assert not path.exists()
    for recipe in ("original", "0001", "application"):
        path.unlink(missing_ok=True)
        before = make_database(recipe, path).read_bytes()
        if look is command.check:
            with pytest.raises(CommandError, match="not up to date"):
                look(config_for(path))
        else:
            look(config_for(path))
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]


def test_a_file_of_the_original_library_is_adopted_from_the_command_line(path: Path) -> None:
    make_database("original", path)
    before = facts(path)["events_jan"]
    command.upgrade(config_for(path), "head")
    command.check(config_for(path))
    assert facts(path)["events_jan"] == before
    assert not path.with_name(f"{path.name}.wal").exists()


def test_a_file_that_cannot_be_opened_is_one_line_of_error(path: Path) -> None:
    make_text_file(path)
    with pytest.raises(CommandError, match="no DuckDB database"):
        command.upgrade(config_for(path), "head")


def test_up_and_down_again_leaves_the_tables_of_events_alone(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("events_jan", make_events(3), EVENTS)
    command.downgrade(config_for(path), "base")
    with StorageEngine(path) as storage:
        assert storage.execute_scalar("SELECT count(*) FROM events_jan") == 3
        assert storage.list_tables() == []
    command.upgrade(config_for(path), "head")
    with StorageEngine(path) as storage:
        assert storage.create_events_table("events_feb", make_events(5), EVENTS) == 5


def test_a_database_without_our_tables_gets_them_with_the_first_load(path: Path) -> None:
    with StorageEngine(path) as storage:
        pass
    command.downgrade(config_for(path), "base")
    with StorageEngine(path) as storage:
        assert not storage.execute_rows(
            "SELECT 1 FROM duckdb_tables() WHERE table_name='_metadata'"
        )
        storage.create_events_table("t", make_events(3), EVENTS)
    command.check(config_for(path))


def test_a_file_with_spaces_and_percent_signs_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "50 % of it.db"
    command.upgrade(config_for(path), "head")
    assert path.exists()


def test_the_database_may_come_from_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXPANEL_DATA_URL", f"duckdb+mixpanel:///{path}")
    command.upgrade(Config(ROOT / "alembic.ini"), "head")
    assert path.exists()


@pytest.mark.parametrize("driver", ["duckdb", "duckdb+mixpanel", "duckdb+other"])
def test_the_database_may_come_from_the_configuration(driver: str, tmp_path: Path) -> None:
    path = tmp_path / "50 % of it.db"
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", f"{driver}:///{path}".replace("%", "%%"))
    command.upgrade(config, "head")
    assert path.exists()


def test_another_kind_of_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXPANEL_DATA_URL", "postgresql://user:secret@host/name")
    with pytest.raises(CommandError, match="no DuckDB database") as caught:
        command.upgrade(Config(ROOT / "alembic.ini"), "head")
    assert "secret" not in str(caught.value)


def test_an_empty_path_is_not_taken_for_another_database(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXPANEL_DATA_URL", f"duckdb+mixpanel:///{path}")
    config = Config(ROOT / "alembic.ini")
    config.cmd_opts = Namespace(x=["db="])
    with pytest.raises(CommandError, match="-x db=PATH"):
        command.upgrade(config, "head")
    assert not path.exists()


def test_a_url_can_be_given_on_the_command_line(path: Path) -> None:
    config = Config(ROOT / "alembic.ini")
    url = f"duckdb+mixpanel:///{path}"
    config.cmd_opts = Namespace(x=[f"db={url}?threads=1&lock_timeout=5"])
    command.upgrade(config, "head")
    assert path.exists()
    for query, message in (
        ("read_only=true", "may change the database"),
        ("read_only=perhaps", "Use true or false"),
        ("sandbox=true", "cannot open a sandbox"),
    ):
        config.cmd_opts = Namespace(x=[f"db={url}?{query}"])
        with pytest.raises(CommandError, match=message):
            command.upgrade(config, "head")
    config.cmd_opts = Namespace(x=["db=postgresql://user@host/name"])
    with pytest.raises(CommandError, match="no DuckDB database"):
        command.upgrade(config, "head")


def test_without_a_database_the_error_says_how_to_name_one() -> None:
    with pytest.raises(CommandError, match="-x db=PATH"):
        command.upgrade(Config(ROOT / "alembic.ini"), "head")


def test_a_connection_of_the_caller_is_used_and_left_uncommitted(path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    config = Config(ROOT / "alembic.ini")
    with engine.connect() as connection:
        connection.begin()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.rollback()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM duckdb_tables()")) == 0
    engine.dispose()


def test_the_sql_of_a_migration_can_be_printed(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.upgrade(config_for(path), "head", sql=True)
    printed = capsys.readouterr().out
    assert "CREATE TABLE _metadata" in printed
    assert "CREATE TABLE _mixpanel_data_version" in printed
    assert not path.exists()


def test_the_alembic_command_works_from_the_repository(path: Path) -> None:
    for arguments in (["upgrade", "head"], ["current"], ["history"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "alembic", "-x", f"db={path}", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    assert "No new upgrade operations detected" in done.stdout


def application_history(folder: Path, engine: Engine) -> Config:
    """An Alembic project of somebody else, with default settings, on the same database."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(
        "from alembic import context\n"
        "context.configure(connection=context.config.attributes['connection'])\n"
        "with context.begin_transaction():\n"
        "    context.run_migrations()\n"
    )
    (folder / "versions" / "a1.py").write_text(
        "from alembic import op\n"
        "import sqlalchemy as sa\n"
        "revision, down_revision = 'a1', None\n"
        "def upgrade():\n"
        "    op.create_table('orders', sa.Column('id', sa.Integer))\n"
        "def downgrade():\n"
        "    op.drop_table('orders')\n"
    )
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config


def test_an_application_with_a_history_of_its_own_shares_the_file(
    path: Path, tmp_path: Path
) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{path}")
    ours = Config(ROOT / "alembic.ini")
    theirs = application_history(tmp_path / "app", engine)

    def tables() -> list[str]:
        with engine.connect() as connection:
            names = connection.scalars(text("SELECT table_name FROM duckdb_tables() ORDER BY 1"))
            return list(names)

    def run(what: Any, config: Config, revision: str) -> None:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            what(config, revision)

    run(command.upgrade, ours, "head")
    run(command.upgrade, theirs, "head")
    internal = ["_metadata", "_property_columns", "_stale_columns"]
    both = sorted([*internal, "_mixpanel_data_version", "alembic_version", "orders"])
    assert tables() == both
    run(command.downgrade, ours, "base")
    assert tables() == [name for name in both if name not in internal]
    run(command.upgrade, ours, "head")
    run(command.downgrade, theirs, "base")
    assert tables() == [name for name in both if name != "orders"]
    engine.dispose()


def test_an_implementation_that_the_application_registered_is_kept() -> None:
    from mixpanel_data.dialect.alembic.impl import register_duckdb

    register_duckdb()
    first = DefaultImpl.get_by_dialect(MixpanelDialect())
    assert first.transactional_ddl
    register_duckdb()
    assert DefaultImpl.get_by_dialect(MixpanelDialect()) is first
