"""Fixtures for the tests of the command: a database with tables, and the command itself."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mixpanel_data import StorageEngine
from mixpanel_data.cli.app import app
from tests.records import EVENTS, PROFILES, make_events, make_profiles


class Outcome(NamedTuple):
    """What a command did.

    Attributes:
        code: Its exit code.
        data: What it wrote to stdout.
        err: What it wrote to stderr.
    """

    code: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        """What it wrote to stdout, as text."""
        return self.data.decode()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The lines of JSON in stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Outcome]


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs the command in this process, in a folder of its own, with pipes around it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, stdin: bytes = b"") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([os.fspath(each) if isinstance(each, Path) else str(each) for each in arguments])
        out, err = capfdbinary.readouterr()
        code = ended.value.code
        return Outcome(int(code or 0), out, err.decode())

    return run


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a table of events and one of profiles."""
    path = tmp_path_factory.mktemp("made") / "app.db"
    with StorageEngine(path) as storage:
        storage.create_events_table("jan", make_events(30), EVENTS, property_columns=["plan name"])
        storage.create_profiles_table("users", make_profiles(5), PROFILES)
    return path


@pytest.fixture
def database(made_once: Path, tmp_path: Path) -> Path:
    """A copy of it, which may be changed."""
    return Path(shutil.copy(made_once, tmp_path / "app.db"))


def line(number: int = 0, **properties: object) -> str:
    """Return a line of an export of events."""
    told = {"time": 1_735_689_600 + number, "distinct_id": "u", "$insert_id": f"i{number}"}
    return json.dumps({"event": "Tap", "properties": told | properties}) + "\n"
