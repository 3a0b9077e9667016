"""The arena of a siege: a database, and files and folders that SQL must not read or write."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import closing
from pathlib import Path

import duckdb

from mixpanel_data import Sandbox, StorageEngine
from tests.records import EVENTS, PROFILES, make_events, make_profiles

#: Stands in what nobody may read, and nowhere else.
CANARY = "canary-51b9f7"
#: Tables, and after an empty line what somebody left in the file before the sandbox opened it:
#: names that lie about what they do. One statement a line.
PLANTED = Path(__file__).with_name("planted.sql")
MODES = ("writable", "read-only")
FILES = ("honest", "hostile")

#: What no statement of a siege may take long for.
LIMITS = Sandbox(timeout=0.2, memory_limit="200MB")


class Arena:
    """A database in a folder of its own, and around it what an attack is after.

    Statements name these things by marks, so that the same text attacks every arena:
    ``@db@``, ``@secret@`` (a file of somebody else), ``@new@`` (no file yet), ``@folder@``
    and ``@url@`` (a server that nobody may call).

    Args:
        folder: Where to build it.
        port: Of the server.
        file: ``honest``, or ``hostile`` for one with traps in it.
    """

    def __init__(self, folder: Path, port: int = 9, file: str = "honest") -> None:
        self.kind = file
        self.data, self.work = folder / "data", folder / "work"
        self.temporary, self.home = folder / "tmp", folder / "home"
        for place in self.folders:
            place.mkdir(parents=True, mode=0o700)
        self.db = self.data / "siege.db"
        self._marks = {
            "@db@": str(self.db),
            "@secret@": str(self.data / "secret.csv"),
            "@new@": str(self.data / "new"),
            "@folder@": str(self.data),
            "@url@": f"http://127.0.0.1:{port}",
        }
        self._hide_secrets()
        self._make_database(hostile=file == "hostile")
        self._contents = {
            entry: entry.read_bytes() for place in self.folders for entry in place.iterdir()
        }

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder that a statement can reach by a short name."""
        return self.data, self.work, self.temporary, self.home

    @property
    def differences(self) -> list[Path]:
        """The files that are not as they were."""
        found = {entry for place in self.folders for entry in place.iterdir()}
        changed = [
            path
            for path, content in self._contents.items()
            if not path.is_file() or path.read_bytes() != content
        ]
        return changed + sorted(found - self._contents.keys())

    def fill(self, statement: str) -> str:
        """Return a statement with this arena's names for the marks."""
        if "@" in statement:
            for mark, text in self._marks.items():
                statement = statement.replace(mark, text)
        return statement

    def enter(self) -> None:
        """Make this process's own folders, for work, home and temporary files, the arena's."""
        os.chdir(self.work)
        os.environ |= {"HOME": str(self.home), "TMPDIR": str(self.temporary), "SECRET": CANARY}
        tempfile.tempdir = str(self.temporary)

    def open(self, mode: str, sandbox: Sandbox | None = LIMITS) -> StorageEngine:
        """Open the database as those do who fear an attack, or without a sandbox."""
        return StorageEngine(self.db, read_only=mode == "read-only", sandbox=sandbox or False)

    def restore(self) -> None:
        """Put everything back as it was; the database must be closed."""
        for path in self.differences:
            _remove(path)
            if path in self._contents:
                path.write_bytes(self._contents[path])

    def _hide_secrets(self) -> None:
        for place in self.folders:
            (place / "secret.csv").write_text(f"a,b\n{CANARY},1\n")
        (self.data / "secret.json").write_text(f'{{"a": "{CANARY}"}}\n')
        with closing(duckdb.connect()) as connection:
            parquet = str(self.data / "secret.parquet")
            connection.execute(f"COPY (SELECT '{CANARY}' AS a) TO '{parquet}'")
        with closing(duckdb.connect(str(self.data / "other.db"))) as connection:
            connection.execute(f"CREATE TABLE secrets AS SELECT '{CANARY}' AS a")

    def _make_database(self, *, hostile: bool) -> None:
        with StorageEngine(self.db) as storage:
            storage.create_events_table("events", make_events(3), EVENTS)
            storage.create_profiles_table("users", make_profiles(3), PROFILES)
        tables, traps = PLANTED.read_text().split("\n\n")
        with closing(duckdb.connect(str(self.db))) as connection:
            for statement in (f"{tables}\n{traps}" if hostile else tables).splitlines():
                connection.execute(self.fill(statement))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
