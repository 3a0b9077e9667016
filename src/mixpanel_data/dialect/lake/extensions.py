"""Loads DuckDB's extensions for lakes: from wheels of PyPI, else what DuckDB has installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.exceptions import LakeExtensionError


def load_extensions(driver: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Load what a lake needs.

    Raises:
        LakeExtensionError: An extension is missing, or of another version of DuckDB.
    """
    for name in ("ducklake", "postgres_scanner", *_of_storage(lake)):
        load_extension(driver, name)


def load_extension(driver: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one extension.

    Raises:
        LakeExtensionError: It is missing, or of another version of DuckDB.
    """
    files = {file.parent.name: file for file in _wheel_files(name)}
    own = files.get(f"v{duckdb.__version__}")
    try:
        driver.load_extension(name if own is None else str(own))
    except (duckdb.IOException, duckdb.HTTPException, duckdb.InvalidInputException) as error:
        available = sorted(version.removeprefix("v") for version in files)
        raise LakeExtensionError(name, duckdb.__version__, available) from error


def _of_storage(lake: Lake) -> list[str]:
    if not urlsplit(lake.data_path).scheme or lake.data_path.startswith("file:"):
        return []
    by_chain = lake.storage is not None and lake.storage.key_id is None
    return ["httpfs", "aws"] if by_chain else ["httpfs"]


def _wheel_files(name: str) -> list[Path]:
    spec = find_spec(f"duckdb_extension_{name}")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return [
        file
        for folder in folders
        for file in Path(folder, "extensions").glob(f"*/{name}.duckdb_extension")
    ]
