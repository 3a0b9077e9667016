"""What duckdb-engine's documentation promises holds for our dialect, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pandas as pd
import pytest
from duckdb_engine import datatypes
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    create_engine,
    insert,
    inspect,
    select,
    text,
    types,
)
from sqlalchemy.orm import DeclarativeBase, Session

from tests.engines import open_engine


class Base(DeclarativeBase):
    """Classes of an application."""


class FakeModel(Base):
    """A model whose key takes the values of a sequence that the application names."""

    __tablename__ = "fake"
    id = Column(Integer, Sequence("fakemodel_id_sequence"), primary_key=True)
    name = Column(String)


@pytest.fixture
def engine() -> Iterator[Engine]:
    """A database in memory."""
    with open_engine() as engine:
        yield engine


def test_models_with_a_sequence_are_added_and_found(engine: Engine) -> None:
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(FakeModel(name="Frank"))
        session.commit()
        assert session.query(FakeModel.id, FakeModel.name).one() == (1, "Frank")


@pytest.mark.parametrize("url", ["duckdb+mixpanel://", "duckdb+mixpanel:///:memory:"])
def test_a_url_without_a_file_is_a_database_in_memory(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()


def setting(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.scalar(text(f"SELECT current_setting('{name}')")))


def test_settings_come_from_connect_args_or_the_url(tmp_path: Path) -> None:
    arguments = {"read_only": False, "config": {"memory_limit": "500MB", "threads": 2}}
    engine = create_engine("duckdb+mixpanel:///:memory:", connect_args=arguments)
    assert setting(engine, "memory_limit") == "476.8 MiB"
    assert setting(engine, "threads") == "2"
    engine.dispose()
    path = tmp_path / "a.db"
    engine = create_engine(f"duckdb+mixpanel:///{path}?threads=3&default_order=desc")
    assert (setting(engine, "threads"), setting(engine, "default_order")) == ("3", "DESC")
    engine.dispose()
    engine = create_engine(f"duckdb+mixpanel:///{path}", connect_args={"read_only": True})
    assert setting(engine, "access_mode") == "read_only"
    engine.dispose()


def test_a_data_frame_is_registered_and_queried(connection: Connection) -> None:
    frame = pd.DataFrame({"number": [1, 2], "letter": ["a", "b"]})
    connection.execute(text("register(:name, :df)"), {"name": "test_df", "df": frame})
    assert connection.execute(text("SELECT * FROM test_df")).all() == [(1, "a"), (2, "b")]
    read = pd.read_sql(text("SELECT * FROM test_df"), connection)
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    chunks = pd.read_sql(text("SELECT * FROM test_df"), connection, chunksize=1)
    assert [list(chunk["number"]) for chunk in chunks] == [[1], [2]]


def test_a_data_frame_is_written_as_a_table(connection: Connection) -> None:
    frame = pd.DataFrame({"number": [1, 2], "letter": ["a", "b"]})
    assert frame.to_sql("frames", connection, index=False) in (2, -1, None)
    frame.to_sql("frames", connection, index=False, if_exists="append")
    assert connection.scalar(text("SELECT count(*) FROM frames")) == 4


def test_unsigned_and_huge_integers_are_columns(connection: Connection) -> None:
    kinds = {
        "tiny": (datatypes.UTinyInteger, 2**8 - 1),
        "small": (datatypes.USmallInteger, 2**16 - 1),
        "plain": (datatypes.UInteger, 2**32 - 1),
        "big": (datatypes.UBigInteger, 2**64 - 1),
        "huge": (datatypes.HugeInteger, -(2**126)),
    }
    columns = [Column(name, kind) for name, (kind, _) in kinds.items()]
    table = Table("numbers", MetaData(), *columns)
    table.create(connection)
    connection.execute(insert(table).values({name: value for name, (_, value) in kinds.items()}))
    assert connection.execute(select(table)).one() == tuple(value for _, value in kinds.values())
    for found in inspect(connection).get_columns("numbers"):
        assert isinstance(found["type"], kinds[found["name"]][0])


def test_structs_are_columns(connection: Connection) -> None:
    struct = datatypes.Struct({"first": types.String, "last": types.String})
    table = Table("people", MetaData(), Column("name", struct))
    table.create(connection)
    connection.execute(text("INSERT INTO people VALUES ({'first': 'Ada', 'last': 'L'})"))
    assert connection.scalar(text("SELECT name.first FROM people")) == "Ada"


def test_try_cast_gives_null_for_what_cannot_be_cast(connection: Connection) -> None:
    try_cast = pytest.importorskip("sqlalchemy", "2.0.14").try_cast
    found = select(try_cast("1", Integer), try_cast("x", Integer))
    assert connection.execute(found).one() == (1, None)


def test_extensions_and_file_systems_are_there_from_the_start() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/hello.csv", b"word\nhello\n")
    arguments = {"preload_extensions": ["json"], "register_filesystems": [memory]}
    engine = create_engine("duckdb+mixpanel:///:memory:", connect_args=arguments)
    with engine.connect() as connection:
        found = connection.execute(text("SELECT * FROM 'memory://hello.csv'")).scalar()
    assert found == "hello"
    engine.dispose()


def test_the_plain_name_still_belongs_to_duckdb_engine() -> None:
    engine = create_engine("duckdb:///:memory:")
    assert type(engine.dialect).__module__ == "duckdb_engine"
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
