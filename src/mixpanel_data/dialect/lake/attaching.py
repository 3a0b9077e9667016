"""Attaches a lake to a DuckDB, and creates it where there is none."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.lake.definition import S3, Lake
from mixpanel_data.dialect.lake.extensions import load_extension, load_extensions
from mixpanel_data.dialect.lake.failures import catalog_errors
from mixpanel_data.exceptions import LakeError, LakeNotFoundError

#: DuckDB's name of the attached lake.
NAME = "lake"

#: DuckDB's name of the catalog of the lake, which it attaches as well and does not list.
METADATA = f"__ducklake_metadata_{NAME}"

_USE = f"USE {NAME}"

_CATALOG_SECRET = "mixpanel_data_catalog"  # noqa: S105 (the name of one)
_LAKE_SECRET = "mixpanel_data_lake"  # noqa: S105
_STORAGE_SECRET = "mixpanel_data_storage"  # noqa: S105

#: The options of a new lake, which hold for every client. Rows in the catalog ("inlined") would be
#: out of reach of other readers of the Parquet files, and DuckLake has lost deletes among them.
_OPTIONS = {"parquet_compression": "zstd", "data_inlining_row_limit": "0"}


def attach(driver: duckdb.DuckDBPyConnection, lake: Lake, *, read_only: bool) -> bool:
    """Attach a lake as :data:`NAME`.

    Args:
        driver: A connection to the DuckDB.
        lake: The lake.
        read_only: Do not allow writing.

    Returns:
        False if there is no lake yet and it may be created; nothing is attached then.

    Raises:
        LakeExtensionError: DuckDB lacks an extension.
        CatalogueUnavailableError: The catalog does not answer.
        LakeNotFoundError: There is no lake, and ``read_only``.
        LakeError: It cannot be attached for another reason.
    """
    load_extensions(driver, lake)
    _create_secrets(driver, lake)
    read_only = read_only or lake.as_of is not None
    try:
        _attach(driver, lake, "READ_ONLY" if read_only else "CREATE_IF_NOT_EXISTS false")
    except duckdb.InvalidInputException as error:
        if "No snapshot found" in str(error):
            problem = (
                f"there is no snapshot of as_of={lake.as_of}, or it has expired. snapshots() of an "
                "engine without as_of lists those that can be read."
            )
            raise LakeError(str(lake), problem) from error
        if "does not exist" not in str(error):
            raise LakeError(str(lake), f"cannot be attached. DuckDB says: {error}") from error
        if read_only:
            raise LakeNotFoundError(str(lake)) from None
        return False
    return True


def use(driver: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Make the attached lake the default of a connection, for which DuckDB asks its catalog.

    Raises:
        CatalogueUnavailableError: The catalog does not answer.
    """
    with catalog_errors(lake):
        driver.execute(_USE)


def create(driver: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Create the lake if there is still none, and attach it.

    One process at a time, with a lock: DuckLake fails when two create it. Where the session of the
    lock was lost, it does; then the lake is there.
    """
    if not urlsplit(lake.data_path).scheme:
        _create_folder(lake)
    try:
        _attach(driver, lake, "CREATE_IF_NOT_EXISTS true")
    except LakeError as error:
        if "already exists" not in error.message:
            raise
        _attach(driver, lake, "CREATE_IF_NOT_EXISTS false")
    with catalog_errors(lake):
        for name, value in _OPTIONS.items():
            driver.execute(f"CALL {NAME}.set_option({quoted(name)}, {quoted(value)})")


def attach_catalog(driver: duckdb.DuckDBPyConnection, lake: Lake, name: str) -> None:
    """Attach the PostgreSQL database itself, for locks.

    Raises:
        LakeExtensionError: DuckDB lacks the extension.
        CatalogueUnavailableError: The database does not answer.
    """
    load_extension(driver, "postgres_scanner")
    _create_catalog_secret(driver, lake)
    with catalog_errors(lake):
        driver.execute(
            f"ATTACH {quoted(_libpq(lake))} AS {name} (TYPE postgres, SECRET {_CATALOG_SECRET})"
        )


def _create_folder(lake: Lake) -> None:
    try:
        Path(lake.data_path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = f"its data_path {lake.data_path} cannot be made. {error}"
        raise LakeError(str(lake), problem) from error


def _attach(driver: duckdb.DuckDBPyConnection, lake: Lake, *options: str) -> None:
    words = [*options, "DATA_INLINING_ROW_LIMIT 0", *_snapshot(lake.as_of)]
    with catalog_errors(lake):
        driver.execute(f"ATTACH 'ducklake:{_LAKE_SECRET}' AS {NAME} ({', '.join(words)})")


def _snapshot(as_of: int | datetime | None) -> list[str]:
    if as_of is None:
        return []
    if isinstance(as_of, datetime):
        return [f"SNAPSHOT_TIME {quoted(as_of.isoformat())}"]
    return [f"SNAPSHOT_VERSION {as_of:d}"]


def _create_secrets(driver: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Create the secrets, which live in memory as long as the DuckDB does."""
    _create_catalog_secret(driver, lake)
    driver.execute(
        f"CREATE OR REPLACE SECRET {_LAKE_SECRET} (TYPE ducklake, METADATA_PATH $path, "
        f"METADATA_PARAMETERS MAP {{'TYPE': 'postgres', 'SECRET': '{_CATALOG_SECRET}'}}, "
        "DATA_PATH $data)",
        {"path": _libpq(lake), "data": lake.data_path},
    )
    if lake.storage is not None:
        _create_secret(driver, _STORAGE_SECRET, "s3", _storage(lake.storage))


def _create_catalog_secret(driver: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    values = {
        "HOST": lake.host,
        "PORT": lake.port,
        "DATABASE": lake.database,
        "USER": lake.user,
        "PASSWORD": lake.password,
    }
    _create_secret(driver, _CATALOG_SECRET, "postgres", values)


def _storage(storage: S3) -> dict[str, Any]:
    return {
        "PROVIDER": "credential_chain" if storage.key_id is None else "config",
        "KEY_ID": storage.key_id,
        "SECRET": storage.secret,
        "SESSION_TOKEN": storage.session_token,
        "REGION": storage.region,
        "ENDPOINT": storage.endpoint,
        "URL_STYLE": storage.url_style,
        "USE_SSL": storage.use_ssl,
    }


def _create_secret(
    driver: duckdb.DuckDBPyConnection, name: str, kind: str, values: dict[str, Any]
) -> None:
    given = {key: value for key, value in values.items() if value is not None}
    provider = given.pop("PROVIDER", "config")
    words = [f"TYPE {kind}", f"PROVIDER {provider}", *(f"{key} ${key}" for key in given)]
    # Parameters, so that no error repeats a value.
    plain = {
        key: value.plain() if hasattr(value, "plain") else value for key, value in given.items()
    }
    driver.execute(f"CREATE OR REPLACE SECRET {name} ({', '.join(words)})", plain)


def _libpq(lake: Lake) -> str:
    """Return the settings of libpq that are no secret, which DuckDB's catalog shows."""
    name = f"mixpanel_data {socket.gethostname()} {os.getpid()}"
    settings = {"application_name": name, "connect_timeout": "10", **lake.connection_settings}
    return " ".join(f"{key}={_libpq_value(value)}" for key, value in settings.items())


def _libpq_value(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
