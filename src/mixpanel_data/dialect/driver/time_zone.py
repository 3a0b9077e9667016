"""The time zone of connections: UTC, unless the caller's settings have another.

DuckDB takes the zone of the machine, in which it compares aware times with columns without a zone.
It refuses ``TimeZone`` while it opens a database, and any change once the settings are locked. So
what locks them is set after it, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from duckdb import DuckDBPyConnection, InvalidInputException

from mixpanel_data.common.quoting import quoted

_ZONE, _ACCESS, _LOCK = "timezone", "enable_external_access", "lock_configuration"


def without_zone(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a database can be opened with."""
    later = _later(settings)
    return {name: value for name, value in settings.items() if name.lower() not in later}


def names_zone(settings: Mapping[str, Any]) -> bool:
    """Tell whether the caller's settings have a time zone."""
    return any(name.lower() == _ZONE for name in settings)


def set_zone(
    driver: DuckDBPyConnection, settings: Mapping[str, Any], *, everywhere: bool = False
) -> None:
    """Set the time zone, then lock the settings if they say so.

    Args:
        driver: The connection.
        settings: All settings of the caller.
        everywhere: Set it for all connections to the database, not only for this one.
    """
    later = _later(settings)
    scope = "GLOBAL" if everywhere or _LOCK in later else "SESSION"
    _ensure(driver, scope, _ZONE, later[_ZONE])
    for name in (_ACCESS, _LOCK):
        if name in later:
            _ensure(driver, "GLOBAL", name, later[name])


def _later(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what is set after opening."""
    lower = {name.lower(): str(value) for name, value in settings.items()}
    # DuckDB applies settings in an order of its own, and accepts some no more without access.
    names = (_ZONE, _ACCESS, _LOCK) if _LOCK in lower else (_ZONE,)
    return {_ZONE: "UTC"} | {name: lower[name] for name in names if name in lower}


def _ensure(driver: DuckDBPyConnection, scope: str, name: str, value: str) -> None:
    # The settings may be locked already, by another connection with the same ones.
    asked = driver.execute("SELECT system.main.current_setting(?)", [name]).fetchall()
    statement = f"SET {scope} {name} = {quoted(value)}"
    if str(asked[0][0]).lower() != value.lower():
        driver.execute(statement)
    elif scope == "SESSION":  # or it would follow another zone that is set for all
        with suppress(InvalidInputException):
            driver.execute(statement)
