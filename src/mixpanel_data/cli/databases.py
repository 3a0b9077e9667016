"""Opening the database that a command names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import URL

    from mixpanel_data.storage import StorageEngine
    from mixpanel_data.types import Secret

#: The environment variable with the key of an encrypted database. Other users of the machine can
#: read the arguments of a command, but not its environment.
KEY_VARIABLE = "MIXPANEL_DATA_ENCRYPTION_KEY"


def open_database(
    database: str, *, write: bool = False, lock_timeout: float = 0, sandbox: bool = False
) -> StorageEngine:
    """Open a database that is there.

    Args:
        database: Path of a file, or a URL.
        write: Open it for writing, which keeps all others out.
        lock_timeout: Seconds to wait for others who have it open.
        sandbox: Let SQL reach nothing else.

    Raises:
        DatabaseFileError: It cannot be opened; the subclass says why.
        ValueError: It is no path, and no URL of a DuckDB database.
    """
    from mixpanel_data.storage import StorageEngine

    path, config = located(database)
    return StorageEngine.open_existing(
        path,
        read_only=not write,
        config=config,
        lock_timeout=lock_timeout,
        sandbox=sandbox,
        encryption_key=key(),
    )


def located(database: str) -> tuple[Path, dict[str, object]]:
    """Return the path that a path or URL names, and DuckDB's settings of a URL."""
    from mixpanel_data.database import engines, paths

    if not database:
        raise ValueError("The name of the database is empty. Give the path of a file.")
    if "://" not in database:
        if database == ":memory:":
            raise ValueError("':memory:' would be gone at the end. Give the path of a file.")
        return paths.path_of(database), {}
    url: URL = engines.database_url(database)
    if not url.database:
        raise ValueError(f"{database!r} names no file. Use duckdb+mixpanel:///PATH.")
    return paths.path_of(url.database), dict(url.query)


def key() -> Secret | None:
    """Return the key of encrypted databases, which the environment has."""
    from mixpanel_data.types import Secret

    return Secret.of(os.environ.get(KEY_VARIABLE))
