"""The Alembic project shares a file with the library: each migrates its own tables only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mixpanel_data import StorageEngine, migrate
from tests.records import EVENTS, make_events

PROJECT = Path(__file__).parents[2] / "examples" / "shared_file"

pytestmark = pytest.mark.processes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, whose file has events already."""
    copied = shutil.copytree(PROJECT, tmp_path / "project")
    with StorageEngine(copied / "app.db") as storage:
        storage.create_events_table("events", make_events(3), EVENTS)
    return copied


def run_alembic(project: Path, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "MIXPANEL_DATA_URL"}
    run = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    return run.stdout


def tables(project: Path) -> set[str]:
    with StorageEngine(project / "app.db", read_only=True) as storage:
        return {name for (name,) in storage.execute_rows("SELECT table_name FROM duckdb_tables()")}


OURS = {
    "_metadata",
    "_mixpanel_data_version",
    "_property_columns",
    "_stale_columns",
    "events",
}


def test_the_tables_of_the_application_come_and_go_and_events_stay(project: Path) -> None:
    assert tables(project) == OURS
    run_alembic(project, "upgrade", "head")
    assert tables(project) == OURS | {"alembic_version", "comments", "tickets"}
    assert "No new upgrade operations detected" in run_alembic(project, "check")
    run_alembic(project, "downgrade", "base")
    assert tables(project) == OURS | {"alembic_version"}
    with StorageEngine(project / "app.db") as storage:
        assert storage.execute_scalar("SELECT count(*) FROM events") == 3


def test_a_new_table_is_all_that_a_new_revision_has(project: Path) -> None:
    run_alembic(project, "upgrade", "head")
    models = project / "models.py"
    models.write_text(
        models.read_text()
        + "\n\nclass Label(Base):\n"
        + '    __tablename__ = "labels"\n\n'
        + "    name: Mapped[str] = mapped_column(primary_key=True)\n"
    )
    run_alembic(project, "revision", "--autogenerate", "-m", "Labels", "--rev-id", "0002")
    script = (project / "migrations" / "versions" / "0002_labels.py").read_text()
    assert (script.count("op.create_table("), script.count("op.drop_table(")) == (1, 1)
    run_alembic(project, "upgrade", "head")
    assert "labels" in tables(project)


def test_each_history_is_its_own(project: Path) -> None:
    run_alembic(project, "upgrade", "head")
    file = project / "app.db"
    migrate.downgrade(file, "0001")
    assert "0001 (head)" in run_alembic(project, "current")
    migrate.upgrade(file)
    migrate.check(file)
    assert "No new upgrade operations detected" in run_alembic(project, "check")
