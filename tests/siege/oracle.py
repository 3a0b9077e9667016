"""Checks whether anything that must not change has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import duckdb

from mixpanel_data import StorageEngine
from tests.siege.arena import CANARY, Arena
from tests.siege.senses import Listener, Output, Watch, Witness

#: After how many statements the lock is tried in any case.
_OFTEN = 16

State = dict[str, Any]

# By their full names: a hostile file has macros and views called so.
_CATALOG = {
    "databases": "database_name, readonly FROM system.main.duckdb_databases()",
    "schemas": "database_name, schema_name FROM system.main.duckdb_schemas()",
    "tables": "schema_name, table_name, sql FROM system.main.duckdb_tables()",
    "views": "schema_name, view_name, sql FROM system.main.duckdb_views()",
    "sequences": "schema_name, sequence_name, last_value FROM system.main.duckdb_sequences()",
    "types": "schema_name, type_name FROM system.main.duckdb_types()",
    "indexes": "schema_name, table_name, index_name FROM system.main.duckdb_indexes()",
    "functions": "schema_name, function_name, macro_definition FROM "
    "system.main.duckdb_functions() WHERE NOT internal",
    "extensions": "system.main.count_star() FROM system.main.duckdb_functions() WHERE internal",
    "secrets": "name FROM system.main.duckdb_secrets()",
    "settings": "name, value FROM system.main.duckdb_settings()",
}


def state_of(storage: StorageEngine) -> State:
    """Return all that SQL could have changed, but for what ends with its own connection."""
    with storage.engine.connect() as connection:
        driver = cast("duckdb.DuckDBPyConnection", connection.connection.driver_connection)
        return {what: _rows(driver, f"SELECT {query}") for what, query in _state_queries(driver)}


def _state_queries(driver: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    yield from _CATALOG.items()
    tables = "schema_name, table_name, sql FROM system.main.duckdb_tables()"
    for schema, table, sql in _rows(driver, f"SELECT {tables}"):
        name = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))
        # To read a generated column may be to change something.
        content = "0" if "GENERATED" in sql else "system.main.bit_xor(system.main.hash(t))"
        yield f"rows of {schema}.{table}", f"system.main.count_star(), {content} FROM {name} AS t"


def _rows(driver: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return sorted(driver.execute(query).fetchall(), key=str)


def changes(before: State, after: State) -> list[str]:
    """Return what differs, in words."""
    return [
        f"{what} changed: {sorted(set(old) ^ set(new), key=str)}"
        for what in {**before, **after}
        if (old := before.get(what, [])) != (new := after.get(what, []))
    ]


class Oracle:
    """Watches an arena from outside while statements run in it.

    Args:
        arena: The arena.
        listener: The server that nobody may call.
        witness: The process that tries the lock.
        output: Where standard output goes.
    """

    def __init__(self, arena: Arena, listener: Listener, witness: Witness, output: Output) -> None:
        self._arena = arena
        self._witness = witness
        self._watch = Watch(arena.folders, may_read=arena.db)
        self._listener, self._output = listener, output
        self._turn = 0

    def begin(self, storage: StorageEngine) -> None:
        """Take what is now for what must stay."""
        self._witness.look_at(self._arena.db)
        self._before = state_of(storage)
        self.after_statement()  # what opening the database has done

    def _outside(self) -> Iterator[str]:
        yield from (f"file {deed}" for deed in self._watch.seen())
        if calls := self._listener.calls():
            yield f"network: {calls} calls"
        if size := self._output.written():
            yield f"output: {size} bytes"

    def _lock(self) -> Iterator[str]:
        if (holder := self._witness.holder()) != os.getpid():
            yield f"lock: held by {holder or 'nobody'}"

    def after_statement(self) -> list[str]:
        """Return what a statement has done outside of the database; costs next to nothing.

        To ask the other process costs most. It is asked when a file was touched, and now and then.
        """
        found = list(self._outside())
        self._turn += 1
        return found + list(self._lock()) if found or self._turn % _OFTEN == 0 else found

    def after_statements(self, storage: StorageEngine) -> list[str]:
        """Return what statements have done, to the database as well; costs some queries."""
        found = changes(self._before, state_of(storage))
        return [*found, *self._outside(), *self._lock()]

    def after_closing(self) -> list[str]:
        """Return what has become of the files, and whether the lock was a lock at all."""
        found = [f"file: {path.name} is not as it was" for path in self._arena.differences]
        if holder := self._witness.holder():
            found.append(f"lock: still held by {holder}")
        return found

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()


def reveals(*shown: object) -> list[str]:
    """Return whether something that was shown holds what nobody may read."""
    return ["canary: shown"] if any(CANARY in str(thing) for thing in shown) else []
