"""What users of duckdb-engine and pandas do every day: models, frames, settings, pools."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Engine,
    Integer,
    Numeric,
    Sequence,
    String,
    Text,
    create_engine,
    event,
    inspect,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.pool import NullPool, QueuePool, SingletonThreadPool, StaticPool

from tests.engines import open_engine
from tests.hostile import FRAGMENTS


class Base(DeclarativeBase):
    """Classes of an application."""


class Author(Base):
    """A model with a sequence of its own, as duckdb-engine's documentation advises."""

    __tablename__ = "authors"
    id = Column(Integer, Sequence("author_id_seq"), primary_key=True)
    name = Column(String)


class Book(Base):
    """A model whose key has a sequence as the server's default."""

    __tablename__ = "books"
    ids = Sequence("book_id_seq", metadata=Base.metadata)
    id: Mapped[int] = mapped_column(ids, server_default=ids.next_value(), primary_key=True)
    title: Mapped[str]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with open_engine() as engine:
        yield engine


# Models


def test_models_are_created_filled_and_dropped_again_and_again(engine: Engine) -> None:
    make = sessionmaker(engine)
    for _ in range(2):
        Base.metadata.create_all(engine)
        Base.metadata.create_all(engine)  # a second time does nothing
        with make.begin() as session:
            session.add_all([Author(name="Frank"), Book(title="Dune"), Book(title="Emma")])
        with make() as session:
            assert session.execute(select(Author.id, Author.name)).all() == [(1, "Frank")]
            assert session.scalars(select(Book.id).order_by(Book.id)).all() == [1, 2]
        Base.metadata.drop_all(engine)
        assert inspect(engine).get_table_names() == inspect(engine).get_sequence_names() == []


@pytest.mark.parametrize("pool", [QueuePool, NullPool, StaticPool, SingletonThreadPool])
def test_any_pool_keeps_one_database(tmp_path: Path, pool: Any) -> None:
    for url in ("duckdb+mixpanel:///:memory:", f"duckdb+mixpanel:///{tmp_path / 'a.db'}"):
        engine = create_engine(url, poolclass=pool)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add(Author(name="Frank"))
            session.commit()
        with engine.connect() as connection:
            assert connection.scalar(select(Author.name)) == "Frank"
        engine.dispose()


# Connections


def test_a_file_is_opened_read_only_by_connect_args(tmp_path: Path) -> None:
    url = f"duckdb+mixpanel:///{tmp_path / 'a.db'}"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    engine = create_engine(url, connect_args={"read_only": True})
    with engine.connect() as connection:
        assert connection.execute(select(Author)).all() == []
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(Author.__table__.insert())  # type: ignore[attr-defined]
    engine.dispose()


def test_settings_and_extensions_come_from_connect_args() -> None:
    arguments = {"config": {"memory_limit": "100MB"}, "preload_extensions": ["json"]}
    engine = create_engine("duckdb+mixpanel:///:memory:", connect_args=arguments)
    with engine.connect() as connection:
        loaded = "SELECT loaded FROM duckdb_extensions() WHERE extension_name = 'json'"
        assert connection.scalar(text(loaded)) is True
        assert connection.scalar(text("SELECT current_setting('memory_limit')")) == "95.3 MiB"
    engine.dispose()
    engine = create_engine(
        "duckdb+mixpanel:///:memory:", connect_args={"preload_extensions": ["no_such_extension"]}
    )
    with pytest.raises(DBAPIError, match="no_such_extension"):
        engine.connect()
    engine.dispose()


def test_listeners_prepare_new_connections(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.execute("SET default_order = 'DESC'")
        connection.cursor().execute("CREATE TEMP MACRO twice(x) AS 2 * x")

    with engine.connect() as connection:
        assert connection.scalar(text("SELECT twice(21)")) == 42
        assert connection.scalar(text("SELECT current_setting('default_order')")) == "DESC"


@pytest.mark.parametrize(
    "register",
    [
        lambda connection, frame: connection.execute(
            text("register(:name, :frame)"), {"name": "df", "frame": frame}
        ),
        lambda connection, frame: connection.exec_driver_sql("register", ("df", frame)),
        lambda connection, frame: connection.connection.register("df", frame),
        lambda connection, frame: connection.connection.driver_connection.register("df", frame),
        lambda connection, frame: connection.connection.cursor().register("df", frame),
    ],
)
def test_a_frame_is_registered_in_any_of_the_ways(
    engine: Engine, register: Callable[[Any, pd.DataFrame], Any]
) -> None:
    with engine.connect() as connection:
        register(connection, pd.DataFrame({"n": [1, 2]}))
        assert connection.execute(text("SELECT n FROM df ORDER BY n")).all() == [(1,), (2,)]


# pandas


MOMENTS: Any = [pd.Timestamp("2025-01-01"), pd.Timestamp("2025-01-02 03:04:05.123456"), pd.NaT]
FRAME = pd.DataFrame(
    {
        "number": [1, 2, 3],
        "text": ["a", None, "it's :c %s"],
        "float": [1.5, np.nan, np.inf],
        "truth": [True, False, True],
        "moment": MOMENTS,
        "zoned": pd.to_datetime(["2025-01-01T00:00:00+02:00"] * 3, utc=True),
        "day": [datetime.date(2025, 1, 1)] * 3,
        "clock": [datetime.time(1, 2, 3)] * 3,
        "kind": pd.Categorical(["x", "y", "x"]),
        "gaps": pd.array([1, None, 3], dtype="Int64"),
        "small": np.array([1, 2, 255], dtype="uint8"),
    }
)


def target(engine: Engine, kind: str) -> AbstractContextManager[Any]:
    return nullcontext(engine) if kind == "engine" else engine.begin()


@pytest.mark.parametrize("kind", ["engine", "connection"])
@pytest.mark.parametrize("method", [None, "multi"])
@pytest.mark.parametrize("chunksize", [None, 2])
@pytest.mark.parametrize("index", [True, False])
def test_a_frame_comes_back_as_it_was_written(
    engine: Engine, kind: str, method: Any, chunksize: int | None, index: bool
) -> None:
    options: Any = {"method": method, "chunksize": chunksize, "index": index}
    frame = FRAME.rename_axis("row") if index else FRAME
    with target(engine, kind) as connection:
        frame.to_sql("frames", connection, **options)
        found = pd.read_sql_table("frames", connection, index_col="row" if index else None)
        found["day"] = found["day"].dt.date  # pandas reads all dates of a table as times
        pd.testing.assert_frame_equal(found, frame, check_dtype=False, check_categorical=False)
        again: list[tuple[Any, int]] = [("append", 6), ("replace", 3)]
        for if_exists, count in again:
            frame.to_sql("frames", connection, if_exists=if_exists, **options)
            assert len(pd.read_sql("frames", connection)) == count
        with pytest.raises(ValueError, match="already exists"):
            frame.to_sql("frames", connection, **options)


def test_types_are_chosen_for_all_columns_or_for_each(engine: Engine) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [[1], [2, 3]], "c": [{"x": 1}, None]})
    kinds: Any = {"a": BigInteger(), "b": ARRAY(Integer), "c": JSON(none_as_null=True)}
    frame.to_sql("frames", engine, index=False, dtype=kinds)
    with engine.connect() as connection:
        query = text("SELECT a, b, c.x::INTEGER FROM frames ORDER BY a".replace("::", "\\:\\:"))
        assert connection.execute(query).all() == [(1, [1], 1), (2, [2, 3], None)]
    prices: Any = pd.DataFrame({"a": [Decimal("1.10")], "b": [Decimal(2)]})
    prices.to_sql("prices", engine, index=False, dtype=Numeric(10, 2))
    assert [str(c["type"]) for c in inspect(engine).get_columns("prices")] == ["NUMERIC(10, 2)"] * 2
    frame[["a"]].to_sql("frames", engine, if_exists="replace", index=False, dtype={"a": Text()})
    assert pd.read_sql("frames", engine)["a"].tolist() == ["1", "2"]


def test_queries_take_parameters_chunks_dates_and_backends(engine: Engine) -> None:
    FRAME.to_sql("frames", engine, index=False)
    query = text("SELECT number, CAST(moment AS VARCHAR) AS at FROM frames WHERE number > :least")
    chunks = pd.read_sql_query(query, engine, params={"least": 1}, chunksize=1)
    assert [chunk["number"].tolist() for chunk in chunks] == [[2], [3]]
    found = pd.read_sql(query, engine, params={"least": 0}, parse_dates=["at"], index_col="number")
    assert found["at"].tolist()[0] == MOMENTS[0]
    gaps = pd.read_sql("SELECT gaps FROM frames", engine, dtype_backend="numpy_nullable")
    assert str(gaps["gaps"].dtype) == "Int64"
    with engine.connect() as connection:
        some = pd.read_sql("SELECT number FROM frames WHERE number = $1", connection, params=(2,))
        assert some["number"].tolist() == [2]


def test_indexes_of_several_levels_and_empty_frames_are_written(engine: Engine) -> None:
    levels = FRAME[["number", "text", "float"]].set_index(["number", "text"])
    levels.to_sql("levels", engine, index_label=["x", "y"])
    assert list(pd.read_sql("levels", engine).columns) == ["x", "y", "float"]
    FRAME.head(0).to_sql("empty", engine, index=False)
    assert list(pd.read_sql("empty", engine).columns) == list(FRAME.columns)
    FRAME[["number"]].to_sql("there", engine, schema="main", index=False)
    assert len(pd.read_sql_table("there", engine, schema="main")) == 3


#: What SQLAlchemy before 2.1 takes for a parameter, even in a quoted name; and what nobody takes.
NO_NAMES = {"%(name)s", "\0"} if sqlalchemy.__version__.startswith("2.0.") else {"\0"}


@pytest.mark.parametrize("name", [name for name in FRAGMENTS if name not in NO_NAMES])
def test_tables_and_columns_have_any_names(engine: Engine, name: str) -> None:
    frame = pd.DataFrame({name: [1, 2], "other": ["x", "y"]})
    frame.to_sql(name, engine, index=False)
    frame.to_sql(name, engine, index=False, if_exists="append", method="multi")
    assert pd.read_sql(name, engine, columns=[name])[name].tolist() == [1, 2, 1, 2]
    frame.set_index(name).to_sql(name, engine, if_exists="replace")
    pd.testing.assert_frame_equal(pd.read_sql_table(name, engine), frame, check_dtype=False)
