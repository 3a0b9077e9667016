"""Connections are in UTC wherever the machine is, unless their settings have another zone."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, String, Table, create_engine, func, select, text

from mixpanel_data import StorageEngine, UtcDateTime
from tests.processes import run_python

ZONE = text("SELECT current_setting('TimeZone')")

ABROAD = """
import tempfile
from datetime import datetime, timedelta, timezone
from sqlalchemy import create_engine, func, select, text
from mixpanel_data import Sandbox, StorageEngine, TableMetadata
zone = "SELECT current_setting('TimeZone')"
with create_engine("duckdb+mixpanel:///:memory:").connect() as connection:
    assert connection.scalar(text(zone)) == "UTC"
    cursor = connection.connection.driver_connection.cursor()
    assert cursor.execute(zone).fetchone() == ("UTC",)
with tempfile.TemporaryDirectory() as folder:
    url = f"duckdb+mixpanel:///{folder}/app.db"
    zones = ("", "?TimeZone=Asia/Kolkata", "?TimeZone=Asia/Tokyo")
    for order in (zones, zones[::-1]):
        engines = [create_engine(url + query) for query in order]
        connections = [engine.connect() for engine in engines]
        found = [connection.scalar(text(zone)) for connection in connections]
        assert found == [query.partition("=")[2] or "UTC" for query in order], found
        for connection, engine in zip(connections, engines):
            connection.close()
            engine.dispose()
with StorageEngine.memory() as storage:
    assert storage.execute_scalar(zone) == "UTC"
    assert storage.connection.cursor().execute(zone).fetchone() == ("UTC",)
with tempfile.TemporaryDirectory() as folder:
    path = f"{folder}/events.db"
    now = datetime.now(timezone.utc)
    with StorageEngine(path) as storage:
        meta = TableMetadata(type="events", fetched_at=now)
        event = {"event_name": "A", "event_time": now, "distinct_id": "u", "properties": {}}
        storage.create_events_table("t", [event], meta)
        recent = "SELECT count(*) FROM t WHERE event_time > now() - INTERVAL 5 MINUTE"
        assert storage.execute_scalar(recent) == 1
        events = storage.model("t")
        with storage.session() as session:
            since = events.event_time >= now - timedelta(seconds=1)
            assert session.scalars(select(events).where(since)).one().event_time == now
            assert not session.scalars(select(events).where(events.event_time > now)).all()
            assert session.scalar(select(func.now() - events.event_time)) < timedelta(minutes=5)
    for sandbox in (True, Sandbox(worker=True)):
        with StorageEngine(path, read_only=True, sandbox=sandbox) as storage:
            assert storage.execute_scalar(zone) == "UTC"
            assert storage.execute_scalar(recent) == 1
"""

SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({}, "UTC"),
    ({"TimeZone": "Asia/Tokyo"}, "Asia/Tokyo"),
    ({"lock_configuration": True}, "UTC"),
    ({"timezone": "Asia/Tokyo", "lock_configuration": True}, "Asia/Tokyo"),
]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_a_machine_elsewhere_works_in_utc(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    run_python(ABROAD)


@pytest.mark.parametrize(("config", "zone"), SETTINGS)
def test_every_connection_of_an_engine_has_the_zone_of_its_settings(
    config: dict[str, Any], zone: str
) -> None:
    engine = create_engine("duckdb+mixpanel:///:memory:", connect_args={"config": config})
    with engine.connect() as connection, engine.connect() as other:
        assert [connection.scalar(ZONE), other.scalar(ZONE)] == [zone, zone]
    engine.dispose()


@pytest.mark.parametrize(("config", "zone"), SETTINGS)
def test_a_storage_engine_has_the_zone_of_its_settings(
    path: Path, config: dict[str, Any], zone: str
) -> None:
    with StorageEngine(path, config=config) as storage:
        cursor = storage.connection.cursor()
        assert cursor.execute(str(ZONE)).fetchone() == (zone,)
        with storage.engine.connect() as connection:
            assert connection.scalar(ZONE) == zone


def test_functions_of_times_give_aware_times() -> None:
    table = Table("t", MetaData(), Column("at", UtcDateTime), Column("name", String))
    engine = create_engine("duckdb+mixpanel:///:memory:")
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    with engine.begin() as connection:
        table.create(connection)
        connection.execute(table.insert(), [{"at": 3600, "name": "a"}])
        found = connection.execute(
            select(
                func.date_trunc("day", table.c.at),
                func.time_bucket(text("INTERVAL 1 DAY"), table.c.at),
                func.any_value(table.c.at),
                func.min(func.date_trunc("day", table.c.at)),
                func.arg_max(table.c.name, table.c.at),
            ).group_by(table.c.at)
        ).one()
    assert found == (epoch, epoch, epoch.replace(hour=1), epoch, "a")
    engine.dispose()
