"""Opening the database that a command names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from mixpanel_data.dialect.lake.definition import Lake
    from mixpanel_data.storage import StorageEngine
    from mixpanel_data.types import Secret

#: The environment variable with the key of an encrypted database. Other users of the machine can
#: read the arguments of a command, but not its environment.
KEY_VARIABLE = "MIXPANEL_DATA_ENCRYPTION_KEY"


@contextmanager
def open_database(
    database: str, *, write: bool = False, lock_timeout: float = 0, sandbox: bool = False
) -> Iterator[StorageEngine]:
    """Provide a database that is there.

    Args:
        database: Path of a file, or a URL of a file or a lake.
        write: Open it for writing, which keeps all others out.
        lock_timeout: Seconds to wait for others who have it open.
        sandbox: Let SQL reach nothing else.

    Raises:
        DatabaseFileError: It cannot be opened; the subclass says why.
        ValueError: It is no path, and no URL of a DuckDB database.
    """
    from mixpanel_data.storage import StorageEngine

    found = located(database)
    options = found.options(lock_timeout)
    options["read_only"] |= not write
    opened = StorageEngine.open_existing(found.place, sandbox=sandbox, **options)
    with opened as storage:
        yield storage


class Located(NamedTuple):
    """What a path or URL says.

    Attributes:
        place: The file, or the lake.
        config: DuckDB's settings.
        lock_timeout: Seconds to wait for others who have it open.
        read_only: Open it only for reading.
    """

    place: Path | Lake
    config: dict[str, Any]
    lock_timeout: float = 0
    read_only: bool = False

    def options(self, lock_timeout: float) -> dict[str, Any]:
        """Return how to open it: as the URL says, with the key that the environment has.

        Args:
            lock_timeout: What the command line says, 0 for nothing.
        """
        return {
            "read_only": self.read_only,
            "config": self.config,
            "lock_timeout": lock_timeout or self.lock_timeout or None,
            "encryption_key": key(),
        }


def located(database: str) -> Located:
    """Return what a path or URL says.

    Raises:
        ValueError: It is neither, or the URL of another kind of database.
    """
    from mixpanel_data.database import engines, paths
    from mixpanel_data.dialect.lake.definition import is_lake, refuse_motherduck

    refuse_motherduck(database)
    if not database:
        raise ValueError("The name of the database is empty. Give the path of a file.")
    if "://" not in database:
        if database == ":memory:":
            raise ValueError("':memory:' would be gone at the end. Give the path of a file.")
        return Located(paths.path_of(database), {})
    url = engines.database_url(database)
    if is_lake(url):
        options, lake = engines.lake_options(url)
        return Located(lake, {}, **options)
    if not url.database or url.database == ":memory:":
        raise ValueError(f"{database!r} names no file. Use duckdb+mixpanel:///PATH.")
    config, options = engines.url_options(url)
    return Located(paths.path_of(url.database), config, **options)


def key() -> Secret | None:
    """Return the key of encrypted databases, which the environment has."""
    from mixpanel_data.types import Secret

    return Secret.of(os.environ.get(KEY_VARIABLE))
