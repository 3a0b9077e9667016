"""Copies an open database while it is in use.

Between two checkpoints DuckDB overwrites nothing in the database file: it adds blocks, and the WAL
has what was committed since. So the WAL and then the file, copied while no checkpoint can run, are
a consistent snapshot. A transaction with a change, rolled back at the end, prevents checkpoints. An
in-memory database has no file, so its tables are copied one by one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, text
from sqlalchemy.schema import CreateTable

from mixpanel_data.common import open_files
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.quoting import quoted
from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.database import opener
from mixpanel_data.database.paths import MEMORY, exists
from mixpanel_data.database.unfinished import copy_errors, sync, unfinished_folder
from mixpanel_data.exceptions import (
    DatabaseExistsError,
    DatabaseFileError,
    DatabaseWalError,
)
from mixpanel_data.types import Secret

#: The size of three headers: the first never changes, a checkpoint writes one of the other two.
_HEADERS = 3 * 4096
_CHUNK = 8 * 2**20

#: How often to try a copy: a checkpoint in between, which cannot happen, would spoil it.
_ATTEMPTS = 5

_FROM_MEMORY = "COPY FROM DATABASE {source} TO {target}"


def copy_database(
    engine: Engine,
    target: Path,
    *,
    source: Path | None = None,
    read_only: bool,
    key: Secret | None = None,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Copy an open database to a file, atomically.

    The copy has what was committed before the call, and perhaps some later commits of others. Only
    its owner may read it, whatever the permissions of the original.

    Args:
        engine: An engine over the database that may run any SQL.
        target: The path of the copy.
        source: The file, links resolved; by default that of the engine's URL.
        read_only: Whether the database was opened read-only.
        key: The key of an encrypted database. The copy has the same key.
        config: Settings that DuckDB needs to write the copy.
        overwrite: Replace an existing copy, unless another process is writing to it.

    Returns:
        ``target``.

    Raises:
        DatabaseExistsError: There is a file of that name, and ``overwrite`` is false.
        DatabaseMovedError: The file was removed, renamed or replaced: its log is not known.
        DatabaseFileError: The copy cannot be made; the subclass says why.
    """
    _require_free(target, overwrite=overwrite)
    with copy_errors(target), unfinished_folder(target) as folder:
        copy = folder / "copy.db"
        with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
            if source is None and engine.url.database in (None, MEMORY):
                _copy_tables(connection, copy)
            else:
                source = source or Path(str(engine.url.database))
                _copy_file(connection, source, copy, read_only=read_only)
        _take_in_log(copy, key, config or {})
        sync(copy)
        with _kept_from_writers(target, overwrite=overwrite):
            copy.replace(target)
        sync(target.parent)
    return target


def name_beside(path: Path) -> Path:
    """Return an unused path for a copy beside a file: ``events.db.backup``, then ``-2``."""
    names = (f"{path.name}.backup{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(other for other in map(path.with_name, names) if not exists(other))


def _require_free(target: Path, *, overwrite: bool) -> None:
    if open_files.is_open(target):
        raise DatabaseFileError(
            target, "open in this process. Nothing was written. Close it, or choose another path."
        )
    if exists(target) and not overwrite:
        raise DatabaseExistsError(target)
    if exists(target) and not target.is_file():
        raise DatabaseFileError(target, "no file. Nothing was written. Choose another path.")


@contextmanager
def _kept_from_writers(target: Path, *, overwrite: bool) -> Iterator[None]:
    """Keep other users of this library from writing to a file while it is replaced."""
    _require_free(target, overwrite=overwrite)
    try:
        lease = open_files.Lease(str(target), read_only=True)
    except FileLockedError as error:
        problem = "being written by another process. Nothing was changed. Close it there."
        raise DatabaseFileError(target, problem, {"pid": error.pid}) from None
    try:
        log = wal_of(target)
        if log.exists() or log.is_symlink():
            problem = "nothing yet; the log would be taken for that of the copy."
            raise DatabaseWalError(target, log, problem)
        yield
    finally:
        lease.release()


def _copy_file(connection: Connection, source: Path, copy: Path, *, read_only: bool) -> None:
    original = open_files.descriptor_of(source)
    log = wal_of(source.resolve())
    copied_log = wal_of(copy)
    for _ in range(_ATTEMPTS):
        copied_log.unlink(missing_ok=True)
        with connection.begin() as transaction:
            if not read_only:
                _keep_checkpoints_off(connection)
            headers = os.pread(original, _HEADERS, 0)
            # The file already has the blocks that the WAL refers to, and DuckDB replays a
            # truncated WAL up to its last complete commit.
            if log.exists():
                shutil.copyfile(log, copied_log)
            _copy_bytes(original, copy)
            unchanged = os.pread(original, _HEADERS, 0) == headers
            lent: Any = connection.connection.dbapi_connection
            lent.require_in_place()  # or the log was not its own
            transaction.rollback()
        if unchanged:
            return
    raise DatabaseFileError(source, "cannot be copied, because it is checkpointed all the time.")


def _keep_checkpoints_off(connection: Connection) -> None:
    """Make a change in a transaction, which the caller rolls back."""
    unused = Table(f"_backup_{uuid4().hex}", MetaData(), Column("unused", Integer))
    connection.execute(CreateTable(unused))


def _copy_bytes(original: int, copy: Path) -> None:
    with copy.open("wb") as file:
        offset = 0
        while chunk := os.pread(original, _CHUNK, offset):
            offset += file.write(chunk)


def _copy_tables(connection: Connection, copy: Path) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    connection = connection.execution_options(isolation_level="AUTOCOMMIT")
    source = connection.scalar(text("SELECT current_database()"))
    name = f"backup_{uuid4().hex}"
    connection.exec_driver_sql(f"ATTACH {quoted(str(copy))} AS {name}")
    try:
        connection.exec_driver_sql(_FROM_MEMORY.format(source=quote(source), target=name))
    finally:
        connection.exec_driver_sql(f"DETACH {name}")


def _take_in_log(copy: Path, key: Secret | None, config: Mapping[str, Any]) -> None:
    """Write the WAL of a copy into the copy."""
    copy.chmod(0o600)
    log = wal_of(copy)
    if log.exists() and log.stat().st_size:
        opener.open_database(copy, read_only=False, config=config, key=key).close()
    log.unlink(missing_ok=True)
