"""Writes a database file anew, without what was deleted, and puts it in the place of the old one.

A checkpoint neither shrinks a file reliably nor overwrites the blocks that it frees. So the tables
are copied, row by row as they are now, to a new file of the same name in a folder beside the old
one. It takes its place in one step, when it is complete and on disk, and its catalog is the same.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import URL, Connection, Engine, func, inspect, select

from mixpanel_data.common import file_locks, open_files
from mixpanel_data.common.file_locks import FileLockedError
from mixpanel_data.common.open_files import Lease
from mixpanel_data.common.quoting import quoted
from mixpanel_data.common.sidecars import wal_of
from mixpanel_data.database import engines, error_translation, opener
from mixpanel_data.database.settings import WITHOUT_WAL
from mixpanel_data.database.unfinished import copy_errors, sync, unfinished_folder
from mixpanel_data.dialect.sql.parsing import join_schema
from mixpanel_data.exceptions import (
    CompactionError,
    DatabaseFileError,
    DatabaseLockedError,
    QueryError,
)
from mixpanel_data.types import Secret

#: The size of DuckDB's three headers, which change with every checkpoint.
_HEADERS = 3 * 4096

#: What a database can have, as the names of DuckDB's functions that list it. Not every version
#: has all of them.
_KINDS = (
    *("schemas", "types", "sequences", "tables", "columns", "constraints", "indexes", "views"),
    *("functions", "triggers"),
)

#: Columns of those functions that say nothing about the database, or differ after any copy.
_CHANGING = {"database_name", "estimated_size", "constraint_index", "is_bound", "column_count"}


_INSERT = "INSERT INTO {target}.{place} ({names}) SELECT {names} FROM {source}.{place}"
_ITEMS = "SELECT * FROM system.main.duckdb_{kind}() WHERE database_name = $1"
_COUNT = "SELECT system.main.count_star() FROM {place}"


class _Item(NamedTuple):
    """Something that a database has."""

    name: str
    definition: str


def require_own_name(path: Path) -> None:
    """Raise if a file has another name, under which the old one would stay.

    Raises:
        CompactionError: There is a hard link to it.
    """
    if path.stat().st_nlink > 1:
        problem = "it has more than one name, and each would be another file. Remove the hard links"
        raise CompactionError(path, f"{problem} to it first.")


def rewrite(file: Path, *, key: Secret | None, config: Mapping[str, Any]) -> Lease:
    """Replace a database file by a copy of what is in it.

    Args:
        file: The file, links resolved, with a lease and without a WAL; closed by DuckDB.
        key: Its key, if it is encrypted.
        config: DuckDB's settings for the copy.

    Returns:
        A lease of the new file, taken before it got its name.

    Raises:
        CompactionError: DuckDB cannot copy something in it.
        DatabaseFileError: The copy cannot be made, or the file is in use; the subclass says why.
        OutOfMemoryError: The ``memory_limit`` is too low.
    """
    with copy_errors(file), unfinished_folder(file) as folder, ExitStack() as undo:
        # The same name, because DuckDB names the database after it, and definitions may use that.
        copy = folder / file.name
        state = _copy(file, copy, key, config)
        _take_attributes(file, copy)
        sync(copy)
        lease = Lease(str(copy), read_only=False)
        undo.callback(lease.release)
        _require_unchanged(file, state)
        copy.replace(file)
        lease.moved_to(file)
        undo.pop_all()
        sync(file.parent)
    return lease


def _copy(file: Path, copy: Path, key: Secret | None, config: Mapping[str, Any]) -> bytes:
    """Copy a database, and return the state of the file while it could not change."""
    opened = opener.open_database(copy, read_only=False, config=config, key=key)
    url = URL.create("duckdb+mixpanel", database=str(copy))
    engine = engines.make_engine(url, opened.connect)
    engine = error_translation.translate_driver_errors(engine, file)
    with closing(opened), _autocommit(engine) as connection:
        target, source = _database(connection), f"source_{uuid4().hex}"
        secret = ", ENCRYPTION_KEY $key" if key else ""
        connection.exec_driver_sql(
            f"ATTACH {quoted(str(file))} AS {source} (READ_ONLY{secret})",
            {"key": key.escaped()} if key else (),
        )
        state = _state(file)
        try:
            _copy_everything(connection, source, target)
        except QueryError as error:
            raise CompactionError(file, f"DuckDB cannot copy it: {error.message}") from error
        if lost := _differences(connection, source, target):
            raise CompactionError(file, f"DuckDB does not copy {', '.join(lost)}")
        connection.exec_driver_sql(f"DETACH {source}")
        connection.exec_driver_sql("CHECKPOINT")
    return state


def _autocommit(engine: Engine) -> Connection:
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _database(connection: Connection) -> str:
    return str(connection.scalar(select(func.system.main.current_database())))


def _copy_everything(connection: Connection, source: str, target: str) -> None:
    quote = connection.dialect.identifier_preparer.quote_identifier
    for name, value in WITHOUT_WAL.items():
        connection.exec_driver_sql(f"SET GLOBAL {name} = {quoted(value)}")
    connection.exec_driver_sql(f"COPY FROM DATABASE {source} TO {quote(target)} (SCHEMA)")
    for schema, name, columns in _tables(connection):
        place = f"{quote(schema)}.{quote(name)}"
        names = ", ".join(map(quote, columns))
        connection.exec_driver_sql(
            _INSERT.format(target=quote(target), source=source, place=place, names=names)
        )


def _tables(connection: Connection) -> Iterator[tuple[str, str, list[str]]]:
    """Iterate over the tables of the copy, each after those that its foreign keys refer to.

    Yields:
        The schema, the name, and the columns that hold values.
    """
    inspector = inspect(connection)
    schemas = connection.exec_driver_sql(
        "SELECT schema_name FROM system.main.duckdb_schemas() "
        "WHERE database_name = system.main.current_database()"
    )
    for schema in schemas.scalars().all():
        for name, _ in inspector.get_sorted_table_and_fkc_names(join_schema(schema)):
            if name is not None:
                columns = inspector.get_columns(name, join_schema(schema))
                held = [column["name"] for column in columns if "computed" not in column]
                yield schema, name, held


def _differences(connection: Connection, source: str, target: str) -> list[str]:
    """Return what one database has and another does not, or not with the same definition."""
    found = []
    known = connection.exec_driver_sql(
        "SELECT DISTINCT function_name FROM system.main.duckdb_functions()"
    )
    functions = set(known.scalars())
    for kind in _KINDS:
        if f"duckdb_{kind}" in functions:
            old, new = (_items(connection, kind, database) for database in (source, target))
            found += sorted({f"{kind}: {item.name}" for item in old - new})
    return found + [
        f"rows of {name}"
        for schema, name, _ in _tables(connection)
        if _count(connection, source, schema, name) != _count(connection, target, schema, name)
    ]


def _items(connection: Connection, kind: str, database: str) -> set[_Item]:
    rows = connection.exec_driver_sql(_ITEMS.format(kind=kind), (database,))
    return {
        _Item(
            ".".join(str(value) for name, value in row.items() if name.endswith("_name") and value),
            repr(sorted(row.items())),
        )
        for row in map(_telling, rows.mappings())
    }


def _telling(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in row.items()
        if name not in _CHANGING and not name.endswith("oid")
    }


def _count(connection: Connection, database: str, schema: str, name: str) -> int:
    quote = connection.dialect.identifier_preparer.quote_identifier
    place = ".".join(map(quote, (database, schema, name)))
    return int(connection.exec_driver_sql(_COUNT.format(place=place)).scalar_one())


def _state(file: Path) -> bytes:
    return os.pread(open_files.descriptor_of(file), _HEADERS, 0)


def _take_attributes(file: Path, copy: Path) -> None:
    """Give a copy the permissions, the owner and the extended attributes of a file."""
    about = file.stat()
    if (about.st_uid, about.st_gid) != (copy.stat().st_uid, copy.stat().st_gid):
        os.chown(copy, about.st_uid, about.st_gid)
    shutil.copystat(file, copy)
    os.utime(copy)


def _require_unchanged(file: Path, state: bytes) -> None:
    """Keep programs without this library from writing to a file, and raise if one has done so."""
    try:
        file_locks.exclude_writers(open_files.descriptor_of(file))
    except FileLockedError as error:
        raise DatabaseLockedError(file, error.pid) from None
    log = wal_of(file)
    if _state(file) != state or (log.exists() and log.stat().st_size):
        raise DatabaseFileError(
            file,
            "changed by another process while it was closed to be compacted. Nothing was replaced. "
            "Compact it again.",
        )
