"""What is released is whole and typed, and is what its metadata says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.message import Message
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest

import mixpanel_data

ROOT = Path(__file__).parents[2]
PARTS = ("src", "migrations", "pyproject.toml", "README.md", "LICENSE", "alembic.ini")
MORE_PARTS = ("CHANGELOG.md", "MANIFEST.in")

#: What a user's own code may look like, checked as strictly as mypy can.
CODE = """
from datetime import datetime
from typing import Any

from mixpanel_data import (
    EventMixin,
    LoadResult,
    MixpanelDataError,
    RecordError,
    Sandbox,
    StorageEngine,
    TableMetadata,
    migrate,
)
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


class Event(EventMixin, Base):
    __tablename__ = "events"


def load(storage: StorageEngine) -> LoadResult:
    metadata = TableMetadata("events", datetime(2025, 2, 1))
    added: int = storage.create_events_table("events", [], metadata, on_conflict="replace")
    print(added + 1)
    return storage.load_events_export("events", "a.jsonl", metadata, if_exists="append")


def ask(storage: StorageEngine) -> list[tuple[Any, ...]]:
    frame = storage.execute_df("SELECT 1")
    print(frame.shape, storage.sample("events").df.columns)
    with storage.session() as session:
        events = session.scalars(select(Event).where(Event.event_name == "Tap")).all()
        print([event.event_time.isoformat() for event in events])
    return storage.execute_rows("SELECT 1")


try:
    with StorageEngine("a.db", sandbox=Sandbox(timeout=1)) as storage:
        print(migrate.status(storage).state, ask(storage), load(storage).summary)
except RecordError as error:
    print(error.index)
except MixpanelDataError as error:
    print(error.message)
"""

#: The same, with mistakes that only types tell.
MISTAKES = """
from mixpanel_data import StorageEngine

storage = StorageEngine("a.db")
storage.create_events_table("events", [], None)
storage.load_events_export("events", "a", storage.get_metadata("events"), if_exists="never")
rows: int = storage.execute_rows("SELECT 1")
"""


def run_command(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built of what is in the repository."""
    folder = tmp_path_factory.mktemp("sdist")
    source = folder / "source"
    source.mkdir()
    for part in (*PARTS, *MORE_PARTS):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, source / part)
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    run_command(sys.executable, "-c", build, folder=source)
    shutil.rmtree(source)
    (made,) = folder.glob("*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel, built of nothing but the sdist."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(sdist.parent)]
    run_command(*pip, "wheel", *options, sdist, folder=sdist.parent)
    (made,) = sdist.parent.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def about(wheel: Path) -> Message:
    """The metadata of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_of_the_sdist_has_every_file_of_the_package_and_no_others(wheel: Path) -> None:
    package = {
        f"{folder}/{file.relative_to(where)}"
        for folder, where in (
            ("mixpanel_data", ROOT / "src" / "mixpanel_data"),
            ("mixpanel_data/migrations", ROOT / "migrations"),
        )
        for file in where.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == package
    assert {"mixpanel_data/py.typed", "mixpanel_data/migrations/alembic.ini"} <= names


def test_the_sdist_has_its_licence_and_its_changes_and_nothing_of_this_machine(
    sdist: Path,
) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "README.md", "pyproject.toml"} <= names
    assert not any(name.endswith((".pyc", ".db", ".lock")) for name in names)


def test_the_version_is_the_same_everywhere(sdist: Path, about: Message) -> None:
    assert about["Version"] == mixpanel_data.__version__ == version("mixpanel_data")
    assert sdist.name == f"mixpanel_data-{about['Version']}.tar.gz"
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {about['Version']} (" in changes


def test_the_classifiers_and_the_workflow_have_the_same_pythons(about: Message) -> None:
    classifiers = about.get_all("Classifier") or []
    versions = re.findall(r"Python :: (3\.\d+)\n", "\n".join([*classifiers, ""]))
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    listed = re.search(r"python: \[(.*)\]", workflow)
    assert listed is not None
    assert re.findall(r'"(3\.\d+)"', listed[1]) == versions
    assert about["Requires-Python"] == f">={versions[0]}"
    assert "Typing :: Typed" in classifiers


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The Python of an environment with the wheel and what it needs, without pandas-stubs."""
    folder = wheel.parent / "env"
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    installed = Path(sysconfig.get_path("purelib"))
    left_out = ("pandas-stubs", "pandas_stubs", "__editable__", "mixpanel_data", "_virtualenv")
    for package in installed.iterdir():
        if not package.name.startswith(left_out) and package.suffix != ".pth":
            (site / package.name).symlink_to(package)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder / "bin" / "python"


@pytest.mark.slow
def test_code_that_uses_it_is_typed_without_the_stubs_of_pandas(python: Path) -> None:
    pytest.importorskip("mypy")
    folder = python.parents[1]
    checked = {}
    for name, code in (("right.py", CODE), ("wrong.py", MISTAKES)):
        (folder / name).write_text(code)
        mypy = ["-m", "mypy", "--strict", "--python-executable", str(python), name]
        run = subprocess.run(
            [sys.executable, *mypy], cwd=folder, capture_output=True, text=True, check=False
        )
        checked[name] = [*re.findall(r"error: .*\[([\w-]+)\]", run.stdout), run.stderr]
    assert checked["right.py"] == [""]
    assert checked["wrong.py"] == ["arg-type", "arg-type", "assignment", ""]
