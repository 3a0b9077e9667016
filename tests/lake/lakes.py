"""Lakes for tests, each in a database of its own. Child processes import this."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import duckdb

from mixpanel_data import S3, Lake, MixpanelDataError, StorageClosedError, StorageEngine
from mixpanel_data.common.quoting import quoted
from tests.lake.servers import PASSWORD, USER, Postgres, programs

#: The port of the PostgreSQL that ``python -m tests.lake`` has started, None without it.
PORT = os.environ.get("MIXPANEL_DATA_TEST_POSTGRES")

#: The S3 endpoint.
ENDPOINT = os.environ.get("MIXPANEL_DATA_TEST_S3", "")

BUCKET = "mixpanel"

#: Tables and views of the tests that are not ours.
_FOREIGN = """
    SELECT 'VIEW', view_name FROM duckdb_views() WHERE NOT internal
    UNION ALL SELECT 'TABLE', table_name FROM duckdb_tables()
    WHERE schema_name = 'main' AND NOT starts_with(table_name, '_')
"""

#: What else tests may leave behind.
_OTHERS = """
    SELECT function_name FROM duckdb_functions() WHERE NOT internal
    UNION ALL SELECT type_name FROM duckdb_types() WHERE NOT internal
    UNION ALL SELECT database_name FROM duckdb_databases()
    WHERE database_name NOT IN ('lake', 'system', 'temp')
    UNION ALL SELECT table_name FROM duckdb_tables()
    WHERE temporary OR schema_name NOT IN ('main', '_mixpanel_data')
"""


def server() -> Postgres:
    """Return the running PostgreSQL, to run SQL in it."""
    found = programs()
    assert found is not None
    assert PORT is not None
    return Postgres(Path(), found, int(PORT))


def new_database() -> str:
    """Create an empty database, and return its name."""
    name = f"lake_{uuid4().hex}"
    server().sql(f"CREATE DATABASE {name}")
    return name


def lake_in(database: str, data_path: Path | str, **options: Any) -> Lake:
    """Return the lake of a database."""
    catalog = f"postgresql://{USER}@127.0.0.1:{PORT}/{database}"
    options.setdefault("password", PASSWORD)
    return Lake(catalog, data_path=str(data_path), **options)


def s3_lake(database: str) -> Lake:
    """Return a lake whose files are in a bucket of the endpoint."""
    storage = S3(
        key_id="key", secret="s3cret", region="us-east-1", endpoint=ENDPOINT, url_style="path",
        use_ssl=False,
    )  # fmt: skip
    subprocess.run(
        ["curl", "-s", "-X", "PUT", f"http://{ENDPOINT}/{BUCKET}"], check=True, capture_output=True
    )
    return lake_in(database, f"s3://{BUCKET}/{database}", storage=storage)


class _Shared:
    """A lake and its engine, which tests borrow one after the other: making them takes long."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="mixpanel_data-lake-")
        self._lake = lake_in(new_database(), f"{self._folder.name}/data")
        self.engine = StorageEngine(self._lake)

    def is_cleaned(self) -> bool:
        """Drop all tables and views; False where something else remains, or cannot be dropped."""
        try:
            if not self._is_open():
                self.engine = StorageEngine(self._lake)
            with suppress(duckdb.TransactionException):  # there is none
                self.engine.connection.rollback()
            self.engine.drop_all()
            for kind, name in self.engine.execute_rows(_FOREIGN):
                self.engine.execute_rows(f"DROP {kind} {quoted(name, chr(34))}")
            return self.engine.execute_rows(_OTHERS) == []
        except (MixpanelDataError, duckdb.Error):
            return False

    def _is_open(self) -> bool:
        try:
            return self.engine.connection is not None
        except StorageClosedError:
            return False

    def remove(self) -> None:
        """Close the engine and remove the lake."""
        self.engine.close()
        self._folder.cleanup()
        server().sql(f"DROP DATABASE {self._lake.database} WITH (FORCE)")


_shared: list[_Shared] = []


@contextmanager
def lent_engine() -> Iterator[StorageEngine]:
    """Lend an engine over a lake without tables, over the same one as long as it can be cleaned."""
    if _shared and not _shared[0].is_cleaned():
        remove_lent_lake()
    if not _shared:
        _shared.append(_Shared())
    yield _shared[0].engine


def remove_lent_lake() -> None:
    """Remove the lake that was lent, if there is one."""
    while _shared:
        _shared.pop().remove()
