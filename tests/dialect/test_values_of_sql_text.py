"""SQL text gives what DuckDB stores, documents as text; what has a type gives its values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Session

from mixpanel_data import UtcDateTime
from tests.engines import open_engine

DOCUMENT = {"$browser": "Firefox", "list": [1, {"a": None}], "big": 2**70}
TABLE = Table(
    "events",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("properties", JSON),
    Column("at", UtcDateTime),
)
QUERY = "SELECT properties FROM events"


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database with one document."""
    with open_engine() as engine:
        TABLE.create(engine)
        with engine.begin() as connection:
            connection.execute(insert(TABLE).values(id=1, properties=DOCUMENT, at=0))
        yield engine


def _by_session(engine: Engine) -> Any:
    with Session(engine) as session:
        return session.execute(text(QUERY)).scalar_one()


def _by_text(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.scalar(text(QUERY))


def _by_driver(engine: Engine) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(QUERY).scalar_one()


def _by_returning(engine: Engine) -> Any:
    added = (
        "INSERT INTO events BY NAME (SELECT 2 AS id, properties FROM events) RETURNING properties"
    )
    with engine.begin() as connection:
        return connection.scalar(text(added))


WAYS: dict[str, Callable[[Engine], Any]] = {
    "a session": _by_session,
    "text()": _by_text,
    "exec_driver_sql()": _by_driver,
    "RETURNING in text": _by_returning,
    "pandas": lambda engine: pd.read_sql(QUERY, engine)["properties"][0],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_documents_of_sql_text_are_json_text(engine: Engine, way: Callable[[Engine], Any]) -> None:
    found = way(engine)
    assert isinstance(found, str)
    assert json.loads(found) == DOCUMENT


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_pandas_has_json_whatever_its_types(engine: Engine, backend: Any) -> None:
    frame = pd.read_sql(QUERY, engine, dtype_backend=backend)
    assert json.loads(frame["properties"][0]) == DOCUMENT


@pytest.mark.parametrize("source", ["engine", "connection", "session"])
def test_polars_has_json_from_whatever_it_reads(engine: Engine, source: str) -> None:
    polars = pytest.importorskip("polars")
    with engine.connect() as connection, Session(engine) as session:
        given = {"engine": engine, "connection": connection, "session": session}[source]
        (found,) = polars.read_database(QUERY, given)["properties"]
    assert json.loads(found) == DOCUMENT


def _of_function(name: str, _: Connection) -> Any:
    return select(getattr(func, name)(TABLE.c.properties))


TYPED: dict[str, Callable[[Connection], Any]] = {
    "a table": lambda _: select(TABLE.c.properties),
    "a reflected table": lambda connection: select(
        Table("events", MetaData(), autoload_with=connection).c.properties
    ),
    "text with types": lambda _: text(QUERY).columns(properties=JSON),
    "a function with a type": lambda _: select(
        func.json_merge_patch(TABLE.c.properties, literal_column("'{}'"), type_=JSON)
    ),
    "RETURNING": lambda _: (
        insert(TABLE).values(id=2, properties=DOCUMENT).returning(TABLE.c.properties)
    ),
    **{name: partial(_of_function, name) for name in ("any_value", "last", "max", "coalesce")},
    "arg_max": lambda _: select(func.arg_max(TABLE.c.properties, TABLE.c.at)),
}


@pytest.mark.parametrize("make", TYPED.values(), ids=TYPED)
def test_documents_that_have_a_type_are_its_values(
    engine: Engine, make: Callable[[Connection], Any]
) -> None:
    with engine.begin() as connection:
        assert connection.scalar(make(connection)) == DOCUMENT
