"""The schema revision: fresh databases are at head, Alembic agrees, and nobody else is touched."""

from __future__ import annotations

import subprocess
import sys
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
from mixpanel_data.dialect import MixpanelDialect
from mixpanel_data.schema import HEAD
from tests.conftest import EVENTS, make_events

ROOT = Path(__file__).parents[2]


def config_for(path: Path, **arguments: Any) -> Config:
    config = Config(ROOT / "alembic.ini")
    config.cmd_opts = type("Options", (), {"x": [f"db={path}"], **arguments})()
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


def test_there_is_one_head_and_the_library_works_with_it() -> None:
    script = ScriptDirectory.from_config(Config(ROOT / "alembic.ini"))
    assert script.get_heads() == [HEAD]


def test_a_fresh_database_is_what_the_migrations_make(tmp_path: Path) -> None:
    StorageEngine(tmp_path / "fresh.db").close()
    command.upgrade(config_for(tmp_path / "migrated.db"), "head")
    assert catalog_of(tmp_path / "fresh.db") == catalog_of(tmp_path / "migrated.db")


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


def test_check_finds_a_column_that_is_gone(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.execute_rows("ALTER TABLE _metadata DROP COLUMN filter_where")
    with pytest.raises(CommandError, match="filter_where"):
        command.check(config_for(path))


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
    both = ["_metadata", "_mixpanel_data_version", "alembic_version", "orders"]
    assert tables() == both
    run(command.downgrade, ours, "base")
    assert tables() == [name for name in both if name != "_metadata"]
    run(command.upgrade, ours, "head")
    run(command.downgrade, theirs, "base")
    assert tables() == [name for name in both if name != "orders"]
    engine.dispose()


def test_an_implementation_that_the_application_registered_is_kept() -> None:
    from mixpanel_data.dialect.alembic import register_duckdb

    register_duckdb()
    first = DefaultImpl.get_by_dialect(MixpanelDialect())
    assert first.transactional_ddl
    register_duckdb()
    assert DefaultImpl.get_by_dialect(MixpanelDialect()) is first
