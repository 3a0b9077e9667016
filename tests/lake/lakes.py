"""Lakes for tests, each in a database of its own. Child processes import this."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

from mixpanel_data import S3, Lake
from tests.lake.servers import PASSWORD, USER, Postgres, programs

#: The port of the PostgreSQL that ``python -m tests.lake`` has started, None without it.
PORT = os.environ.get("MIXPANEL_DATA_TEST_POSTGRES")

#: The S3 endpoint.
ENDPOINT = os.environ.get("MIXPANEL_DATA_TEST_S3", "")

BUCKET = "mixpanel"


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
