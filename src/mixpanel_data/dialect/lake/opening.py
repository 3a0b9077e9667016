"""Attaches a lake, and creates it where there is none, one process at a time."""

from __future__ import annotations

import duckdb

from mixpanel_data.dialect.lake import attaching
from mixpanel_data.dialect.lake.definition import Lake
from mixpanel_data.dialect.lake.locks import Locks
from mixpanel_data.exceptions import LakeNotFoundError


def attach_or_create(
    driver: duckdb.DuckDBPyConnection,
    lake: Lake,
    locks: Locks,
    *,
    read_only: bool,
    may_create: bool = True,
) -> bool:
    """Attach a lake under :data:`~mixpanel_data.dialect.lake.attaching.NAME`; create it if need be.

    Args:
        driver: A connection to a DuckDB without the lake.
        lake: The lake.
        locks: Its locks.
        read_only: Do not allow writing, and create nothing.
        may_create: Create the lake where there is none.

    Returns:
        Whether the lake was created.

    Raises:
        LakeExtensionError: DuckDB lacks an extension.
        CatalogueUnavailableError: The catalog does not answer.
        LakeNotFoundError: There is no lake, and it may not be created.
        LakeError: It cannot be attached for another reason.
    """
    if attaching.attach(driver, lake, read_only=read_only):
        return False
    if not may_create:
        raise LakeNotFoundError(str(lake))
    with locks.exclusive():
        attaching.create(driver, lake)
    return True
