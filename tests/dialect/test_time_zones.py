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
from sqlalchemy import create_engine, text
from mixpanel_data import StorageEngine
zone = "SELECT current_setting('TimeZone')"
with create_engine("duckdb+mixpanel:///:memory:").connect() as connection:
    assert connection.scalar(text(zone)) == "UTC"
with StorageEngine.memory() as storage:
    assert storage.execute_scalar(zone) == "UTC"
    assert storage.connection.cursor().execute(zone).fetchone() == ("UTC",)
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
                func.any_value(table.c.name),
            ).group_by(table.c.at)
        ).one()
    assert found == (epoch, epoch, epoch.replace(hour=1), epoch, "a")
    engine.dispose()
