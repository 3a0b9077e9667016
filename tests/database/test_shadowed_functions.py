"""Macros, tables and views with the names of DuckDB's own do not affect the library's SQL."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import MetaData, Table, bindparam, create_engine, inspect, literal, select

from mixpanel_data import StorageEngine, migrate
from tests.records import EVENTS, PROFILES, make_event, make_events, make_profiles

pytestmark = pytest.mark.slow

#: A macro takes the place of a function for as many arguments as it has.
ARGUMENTS = [[f"x{n}" for n in range(count)] for count in range(7)]
FUNCTIONS = """
    SELECT DISTINCT function_name, function_type IN ('table', 'pragma') FROM duckdb_functions()
"""
VIEWS = "SELECT DISTINCT view_name FROM duckdb_views() WHERE internal"


def hide_all_functions(path: Path) -> int:
    """Make a macro of every name that a function of DuckDB has; return how many could be made."""
    scalar = ", ".join(f"({', '.join(names)}) AS 'a macro'" for names in ARGUMENTS)
    rows = ", ".join(f"({', '.join(names)}) AS TABLE SELECT 'a macro'" for names in ARGUMENTS)
    made = 0
    with duckdb.connect() as asked:
        functions = asked.execute(FUNCTIONS).fetchall()
        views = asked.execute(VIEWS).fetchall()
    with duckdb.connect(str(path)) as connection:
        for name, gives_rows in sorted(functions, key=str):
            quoted = '"{}"'.format(name.replace('"', '""'))
            with suppress(duckdb.Error):  # some names cannot be taken
                connection.execute(f"CREATE MACRO {quoted} {rows if gives_rows else scalar}")
                made += 1
        for (name,) in views:
            connection.execute(f'CREATE TABLE "{name}" (a_table INTEGER)')
    return made


def make_file(path: Path) -> None:
    with StorageEngine(path) as storage:
        storage.create_events_table("old", make_events(20), EVENTS)
        storage.create_profiles_table("people", make_profiles(20), PROFILES)
        storage.create_profiles_table("dropped", [], PROFILES)
        storage.execute_rows(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id VARCHAR REFERENCES people, "
            "total DECIMAL(10, 2) CHECK (total > 0), code VARCHAR UNIQUE)"
        )
        storage.execute_rows("CREATE INDEX orders_total ON orders (total)")


def as_arrow(count: int) -> pa.Table:
    events = [make_event(number) for number in range(count)]
    texts = [{**event, "properties": json.dumps(event["properties"])} for event in events]
    return pa.Table.from_pylist(texts)


def as_file(folder: Path) -> Path:
    lines = [
        json.dumps(
            {
                "event": "A",
                "properties": {"time": 10**9 + n, "distinct_id": "u", "$insert_id": f"{n}"},
            }
        )
        for n in range(30)
    ]
    (folder / "export.jsonl").write_text("\n".join([*lines, lines[0]]))
    return folder / "export.jsonl"


def load_every_way(storage: StorageEngine, folder: Path) -> Any:
    storage.drop_table("dropped")
    twice = [*make_events(20), make_event(3, distinct_id="other")]
    return [
        storage.create_events_table("new", twice, EVENTS),
        storage.create_events_table("last", twice, EVENTS, on_conflict="replace"),
        storage.append_events_table("old", make_events(30), EVENTS),
        storage.append_events_table("old", make_events(30), EVENTS, on_conflict="replace"),
        storage.create_events_table("arrow", as_arrow(30), EVENTS),
        storage.create_events_table("nested", pa.Table.from_pylist(list(make_events(9))), EVENTS),
        storage.load_events_export("file", as_file(folder), EVENTS),
        storage.load_events_export("file", as_file(folder), EVENTS, if_exists="append"),
    ]


def look(storage: StorageEngine, folder: Path) -> Any:
    names = ["old", "people", "orders"]
    return [
        storage.list_tables(),
        storage.schema_revision,
        [storage.table_exists(name) for name in [*names, "nobody"]],
        [storage.get_schema(name) for name in names],
        [storage.get_metadata(name) for name in names[:2]],
        storage.execute_rows("FROM old"),
        storage.execute_df("FROM people").to_dict(),
    ]


def reflect(storage: StorageEngine, folder: Path) -> Any:
    inspector = inspect(storage.engine)
    metadata = MetaData()
    metadata.reflect(storage.engine, only=["old", "people", "orders"])
    return [
        inspector.get_schema_names(),
        inspector.get_sequence_names(),
        inspector.get_foreign_keys("orders"),
        inspector.get_unique_constraints("orders"),
        inspector.get_check_constraints("orders"),
        inspector.get_indexes("orders"),
        inspector.has_table("orders"),
        [repr(table) for table in metadata.sorted_tables],
    ]


def use_models(storage: StorageEngine, folder: Path) -> Any:
    event, person = storage.model("old"), storage.model("people")
    document = event.properties
    with storage.session() as session:
        first = select(event).order_by(event.insert_id).limit(1)
        row = session.scalars(first).one()
        row.properties = {**row.properties, "number": 99}
        session.add(person(distinct_id="new", properties={}, last_seen=datetime(2025, 1, 1)))
        session.add_all(
            [person(distinct_id=f"n{n}", properties={"a\0": n}, last_seen=None) for n in range(9)]
        )
        session.flush()
        session.delete(session.get(person, "n3"))
        session.commit()
        chosen = select(event.insert_id).where(
            document["number"].as_integer().in_([3, 4, 99]),
            document["$browser"].as_string() == "Firefox",
            document["number"] != None,  # noqa: E711 (SQL)
            event.event_name.regexp_match("^[PS]"),
        )
        asked = [
            chosen.order_by(event.insert_id),
            select(document[event.distinct_id].as_string()).distinct(),
            select(person.properties["a\0"].as_integer()).order_by(person.distinct_id),
            select(literal(timedelta(days=1), literal_execute=True)),
        ]
        return [session.execute(statement).all() for statement in asked]


def use_bulk(storage: StorageEngine, folder: Path) -> Any:
    with storage.engine.begin() as connection:
        orders = Table("orders", MetaData(), autoload_with=connection, resolve_fks=False)
        rows = [{"id": n, "user_id": "user-1", "total": n + 1, "code": str(n)} for n in range(20)]
        connection.execute(orders.insert(), rows)
        change = orders.update().where(orders.c.id == bindparam("key"))
        connection.execute(change, [{"key": n, "total": n + 2} for n in range(20)])
        frame = pd.DataFrame({"a": range(20), "b": [str(n) for n in range(20)]})
        frame.to_sql("frame", connection, index=False)
        frame.to_sql("frame", connection, index=False, if_exists="append")
        return [
            connection.execute(select(orders).order_by(orders.c.id)).all(),
            pd.read_sql_table("frame", connection).to_dict(),
        ]


def use_migrations(storage: StorageEngine, folder: Path) -> Any:
    assert storage.path is not None
    storage.close()
    migrate.check(storage.path)
    done = [
        migrate.status(storage.path),
        migrate.downgrade(storage.path, "0001"),
        migrate.upgrade(storage.path),
        migrate.downgrade(storage.path, "base"),
        migrate.status(storage.path),
        migrate.upgrade(storage.path),
    ]
    migrate.check(storage.path)
    return [repr(step) for step in done]


WORK: list[Callable[[StorageEngine, Path], Any]] = [
    load_every_way,
    look,
    reflect,
    use_models,
    use_bulk,
    use_migrations,
]


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which macros hide the functions."""
    path = tmp_path_factory.mktemp("hidden") / "events.db"
    make_file(path)
    assert hide_all_functions(path) > 800
    return path


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_no_macro_takes_the_place_of_a_function(work: Any, hidden: Path, tmp_path: Path) -> None:
    make_file(tmp_path / "plain.db")
    shutil.copy(hidden, tmp_path / "hidden.db")
    results = []
    for name in ("plain.db", "hidden.db"):
        with StorageEngine(tmp_path / name) as storage:
            results.append(work(storage, tmp_path))
    assert results[1] == results[0]


def test_a_macro_of_the_user_stays_usable(hidden: Path) -> None:
    with StorageEngine(hidden, read_only=True) as storage:
        assert storage.execute_scalar("SELECT upper('a')") == "a macro"


def test_schemas_named_like_that_of_the_functions_are_only_schemas(tmp_path: Path) -> None:
    engine = create_engine(f"duckdb+mixpanel:///{tmp_path}/events.db")
    with engine.begin() as connection:
        connection.exec_driver_sql('CREATE SCHEMA "system"')
        connection.exec_driver_sql('CREATE SCHEMA "system.main"')
        connection.exec_driver_sql('CREATE TABLE events."system".mine (a INTEGER)')
        assert inspect(connection).get_table_names("system") == ["mine"]
        assert inspect(connection).get_columns("mine", "system")[0]["name"] == "a"
    engine.dispose()
