"""The databases that a worker can open: each side of the pipe has its half of one.

Secrets are kept as such in the engine's process. Only what goes through the pipe has their text.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from mixpanel_data.common.database_files import Key, key_of
from mixpanel_data.database.lake_opener import open_lake
from mixpanel_data.database.opener import OpenDatabase, open_database
from mixpanel_data.database.options import OpenOptions
from mixpanel_data.dialect.lake.definition import S3, Lake
from mixpanel_data.dialect.lake.failures import lake_error
from mixpanel_data.exceptions import (
    DatabaseFileError,
    DatabaseMovedError,
    LakeError,
    MixpanelDataError,
)
from mixpanel_data.types import Secret

#: What the variables of libpq and of Amazon's tools begin with: credentials may be in them.
_CREDENTIALS = ("PG", "AWS_")


class SentPlace(ABC):
    """A database as it goes through the pipe to a worker."""

    @abstractmethod
    def open(self, config: dict[str, Any]) -> OpenDatabase:
        """Open it in the worker, to read it.

        Args:
            config: DuckDB's settings.

        Raises:
            MixpanelDataError: It cannot be opened.
        """


class Place(ABC):
    """A database that is open in the engine's process."""

    @abstractmethod
    def sent(self) -> SentPlace:
        """Return what a worker needs, with the text of secrets: send it, and forget it."""

    @abstractmethod
    def failure(self, problem: str) -> MixpanelDataError:
        """Return the error for a worker that could not open it.

        Args:
            problem: What the worker said.
        """


@dataclass(frozen=True)
class SentFile(SentPlace):
    """A file.

    Attributes:
        path: The file.
        file: Its identity (device and inode) in the engine's process.
        key: Its key, where it is encrypted.
    """

    path: Path
    file: Key | None
    key: str | None = field(repr=False)

    def open(self, config: dict[str, Any]) -> OpenDatabase:
        """Open the file, if it is still the same."""
        key = None if self.key is None else Secret(self.key)
        opened = open_database(self.path, read_only=True, config=config, key=key)
        if key_of(str(self.path)) != self.file:
            opened.close()
            raise DatabaseMovedError(self.path, to="start a worker")
        return opened


class FilePlace(Place):
    """A file.

    Args:
        path: The file, which is open.
        key: Its key, where it is encrypted.
    """

    def __init__(self, path: Path, key: Secret | None) -> None:
        self._path = path.absolute()
        self._file = key_of(str(path))
        self._key = key

    def sent(self) -> SentPlace:
        """Return the file with its key."""
        return SentFile(self._path, self._file, None if self._key is None else self._key.plain())

    def failure(self, problem: str) -> MixpanelDataError:
        """Return the error for a file, another one if it has been replaced."""
        if key_of(str(self._path)) != self._file:
            return DatabaseMovedError(self._path, to="start a worker")
        return DatabaseFileError(self._path, f"a worker cannot open it. {problem}")


@dataclass(frozen=True)
class SentLake(SentPlace):
    """A lake.

    Attributes:
        fields: What it is, with the password of its catalog.
        storage: The store of its files, with its credentials.
        environment: The variables in which libpq and Amazon's tools look for others.
    """

    fields: dict[str, Any] = field(repr=False)
    storage: dict[str, Any] | None = field(repr=False)
    environment: dict[str, str] = field(repr=False)

    def open(self, config: dict[str, Any]) -> OpenDatabase:
        """Attach the lake."""
        os.environ.update(self.environment)
        storage = None if self.storage is None else S3(**self.storage)
        lake = Lake(**self.fields, storage=storage)
        options = OpenOptions(read_only=True, config=config, must_exist=True)
        return open_lake(lake, options, None)


class LakePlace(Place):
    """A lake.

    Args:
        lake: The lake, which is open.
    """

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def sent(self) -> SentPlace:
        """Return the lake with its secrets."""
        found = os.environ.items()
        environment = {name: value for name, value in found if name.startswith(_CREDENTIALS)}
        fields = _texts(self._lake)
        storage = fields.pop("storage")
        return SentLake(fields, None if storage is None else _texts(storage), environment)

    def failure(self, problem: str) -> MixpanelDataError:
        """Return the error for a lake, or for its catalog."""
        unavailable = lake_error(duckdb.Error(problem), self._lake)
        return unavailable or LakeError(str(self._lake), f"a worker cannot open it. {problem}")


def _texts(of: Lake | S3) -> dict[str, Any]:
    """Return the fields, secrets as texts."""
    return {
        name: value.plain() if isinstance(value, Secret) else value
        for name, value in vars(of).items()
    }
