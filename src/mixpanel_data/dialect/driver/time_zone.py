"""The time zone of connections: UTC, unless the caller's settings have another.

DuckDB takes the zone of the machine, in which it compares aware times with columns without a zone.
It refuses ``TimeZone`` while it opens a database, and any change once the settings are locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duckdb import DuckDBPyConnection

from mixpanel_data.common.quoting import quoted

_ZONE, _LOCK = "timezone", "lock_configuration"


def without_zone(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a database can be opened with."""
    return {name: value for name, value in settings.items() if name.lower() not in (_ZONE, _LOCK)}


def set_zone(
    driver: DuckDBPyConnection, settings: Mapping[str, Any], *, everywhere: bool = False
) -> None:
    """Set the time zone, then lock the settings if they say so.

    Args:
        driver: The connection.
        settings: All settings of the caller.
        everywhere: Set it for all connections to the database, not only for this one.
    """
    lower = {name.lower(): value for name, value in settings.items()}
    scope = "GLOBAL" if everywhere or _LOCK in lower else "SESSION"
    _ensure(driver, scope, _ZONE, str(lower.get(_ZONE, "UTC")))
    if _LOCK in lower:
        _ensure(driver, "GLOBAL", _LOCK, str(lower[_LOCK]))


def _ensure(driver: DuckDBPyConnection, scope: str, name: str, value: str) -> None:
    # The settings may be locked already, by another connection with the same ones.
    asked = driver.execute("SELECT system.main.current_setting(?)", [name]).fetchall()
    if str(asked[0][0]).lower() != value.lower():
        driver.execute(f"SET {scope} {name} = {quoted(value)}")
