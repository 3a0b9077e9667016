"""The kinds of databases: a file, memory, a lake. Each knows how it is opened and guarded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL

from mixpanel_data.database import opener, paths, permissions
from mixpanel_data.database.ephemeral import EphemeralFolder
from mixpanel_data.database.lake_opener import OpenLake, open_lake
from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.database.settings import WITHOUT_WAL
from mixpanel_data.database.write_guards import FileGuard, LakeGuard, MemoryGuard, WriteGuard
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import DatabaseNotFoundError


class Opened(NamedTuple):
    """What opening a target gives.

    Attributes:
        database: The open database.
        guard: Keeps its writers apart.
        is_new: Whether it has just been created.
    """

    database: OpenDatabase
    guard: WriteGuard
    is_new: bool


class Target(ABC):
    """A database that can be opened.

    Attributes:
        path: The file, None for other kinds.
        place: The file or the lake, for errors; None in memory.
        name: What messages call it.
        url: Its URL for SQLAlchemy, without secrets.
        settings: DuckDB's settings that a load may change.
        is_shared: Whether others may write to it at the same time.
    """

    path: Path | None = None
    place: Path | Lake | None = None
    name: Path | str = paths.MEMORY
    url: URL
    settings: tuple[str, ...] = ()
    is_shared = False

    @abstractmethod
    def open(self, options: OpenOptions, folder: EphemeralFolder | None) -> Opened:
        """Open it, and create it where there is none and ``options`` allow that.

        Args:
            options: How to open it.
            folder: A temporary folder that goes when it is closed.
        """


class FileTarget(Target):
    """A database file.

    Args:
        path: The file.
    """

    settings = ("memory_limit", *WITHOUT_WAL)

    def __init__(self, path: Path) -> None:
        self._file = self.path = self.place = self.name = path
        self.url = URL.create("duckdb+mixpanel", database=str(path))

    def open(self, options: OpenOptions, folder: EphemeralFolder | None) -> Opened:
        """Open the file; create it, with the folders above it, where there is none."""
        is_new = not paths.exists(self._file)
        if is_new and options.read_only:
            raise DatabaseNotFoundError(self._file)
        with permissions.private_folder(self._file) if is_new else nullcontext():
            opened = opener.open_database(
                self._file,
                read_only=options.read_only,
                config=options.config,
                key=options.key,
                lock_timeout=options.lock_timeout or 0,
            )
        return Opened(opened, FileGuard(opened.require_in_place), is_new)


class MemoryTarget(Target):
    """A new database without a file.

    A load changes no settings: the limit would also apply to the stored rows, and there is no WAL.
    """

    url = URL.create("duckdb+mixpanel", database=paths.MEMORY)

    def open(self, options: OpenOptions, folder: EphemeralFolder | None) -> Opened:
        """Open a new database."""
        opened = opener.open_database(None, read_only=options.read_only, config=options.config)
        return Opened(opened, MemoryGuard(), is_new=True)


class LakeTarget(Target):
    """A DuckLake.

    Args:
        lake: What it is.
    """

    settings = ("memory_limit",)
    is_shared = True

    def __init__(self, lake: Lake) -> None:
        self._lake = self.place = lake
        self.name = str(lake)
        self.url = lake.url

    def open(self, options: OpenOptions, folder: EphemeralFolder | None) -> Opened:
        """Attach the lake to a DuckDB whose temporary files are in the folder."""
        opened: OpenLake = open_lake(self._lake, options, None if folder is None else folder.path)
        return Opened(opened, LakeGuard(opened.locks), opened.is_new)
