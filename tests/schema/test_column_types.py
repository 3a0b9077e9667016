"""The column type of our times, ``UtcDateTime``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.schema import CreateTable

from mixpanel_data import UtcDateTime
from tests.engines import open_engine

NOON = datetime(2025, 1, 31, 12, 0, 0, 123456, tzinfo=timezone.utc)
TABLE = Table(
    "moments",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("moment", UtcDateTime),
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A database with an empty table of times."""
    with open_engine() as engine:
        TABLE.create(engine)
        yield engine


def store_and_read(connection: Connection, value: Any) -> Any:
    """Store a value and return what comes back."""
    connection.execute(TABLE.delete())
    connection.execute(insert(TABLE).values(id=1, moment=value))
    return connection.scalar(select(TABLE.c.moment))


def test_the_column_is_a_timestamp_without_a_zone(connection: Connection) -> None:
    assert "moment TIMESTAMP WITHOUT TIME ZONE" in str(CreateTable(TABLE).compile(connection))
    _, moment = inspect(connection).get_columns("moments")
    assert dict(moment)["duckdb_type"] == "TIMESTAMP"


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=-5, minutes=-30))),
        "2025-01-31T13:00:00.123456+01:00",
        "2025-01-31 12:00:00.123456",
    ],
)
def test_a_time_in_any_form_comes_back_aware_in_utc(connection: Connection, value: Any) -> None:
    assert store_and_read(connection, value) == NOON
    assert store_and_read(connection, value).utcoffset() == timedelta(0)


def test_numbers_are_seconds_since_the_epoch(connection: Connection) -> None:
    assert store_and_read(connection, 1738324800) == datetime(2025, 1, 31, 12, tzinfo=timezone.utc)


def test_null_stays_null(connection: Connection) -> None:
    assert store_and_read(connection, None) is None


@given(
    st.datetimes(
        timezones=st.timezones(),
        min_value=datetime.min + timedelta(days=2),
        max_value=datetime.max - timedelta(days=2),
    )
)
def test_every_aware_time_comes_back_as_the_same_moment(engine: Engine, moment: datetime) -> None:
    with engine.connect() as connection:
        assert store_and_read(connection, moment) == moment.astimezone(timezone.utc)


def test_what_is_stored_is_naive_utc(connection: Connection) -> None:
    store_and_read(connection, NOON.astimezone(timezone(timedelta(hours=9))))
    raw = connection.scalar(text("SELECT moment FROM moments"))
    assert raw == NOON.replace(tzinfo=None)


@pytest.mark.parametrize("value", ["yesterday", b"2025-01-31", True, float("nan")])
def test_anything_else_is_refused_with_the_reason(connection: Connection, value: Any) -> None:
    with pytest.raises(StatementError, match=r"ISO 8601|which is no time") as caught:
        store_and_read(connection, value)
    assert isinstance(caught.value.orig, ValueError)


def test_times_are_compared_bound_and_literal_in_any_zone(connection: Connection) -> None:
    store_and_read(connection, NOON)
    later = (NOON + timedelta(seconds=1)).astimezone(timezone(timedelta(hours=5)))
    for value in (later, literal(later, UtcDateTime, literal_execute=True), later.isoformat()):
        assert connection.scalar(select(TABLE.c.id).where(TABLE.c.moment < value)) == 1
        assert connection.scalar(select(TABLE.c.id).where(TABLE.c.moment >= value)) is None


def test_aggregates_are_times_too(connection: Connection) -> None:
    store_and_read(connection, NOON)
    assert connection.scalar(select(func.max(TABLE.c.moment))) == NOON


def test_durations_are_added_to_times(connection: Connection) -> None:
    store_and_read(connection, NOON)
    day = timedelta(days=1)
    assert connection.scalar(select(TABLE.c.moment + day)) == NOON + day
    assert connection.scalar(select(TABLE.c.moment - day)) == NOON - day
    assert connection.scalar(select(TABLE.c.moment - TABLE.c.moment)) == timedelta(0)
