"""Deterministic, valid events and profiles to load, in any number.

Child processes of tests import this, so it must not import pytest or anything else that is slow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from mixpanel_data import StorageEngine, TableMetadata

Record = dict[str, Any]
START = datetime(2025, 1, 1, tzinfo=timezone.utc)
FETCHED_AT = datetime(2025, 2, 1, 12, 30, tzinfo=timezone.utc)
EVENTS = TableMetadata("events", FETCHED_AT, from_date="2025-01-01", to_date="2025-01-31")
PROFILES = TableMetadata("profiles", FETCHED_AT)


def make_event(number: int = 0, **fields: Any) -> Record:
    """Return a valid event; the same number gives the same event."""
    return {
        "event_name": ("Page View", "Sign Up", "Purchase")[number % 3],
        "event_time": START + timedelta(seconds=number),
        "distinct_id": f"user-{number % 10}",
        "insert_id": hashlib.md5(str(number).encode()).hexdigest(),
        "properties": {"$browser": "Firefox", "plan name": "pro", "number": number},
        **fields,
    }


def event_with(number: int | str, **properties: Any) -> Record:
    """Return an event of one moment, with these properties and the number as its id."""
    return {
        "event_name": "Sign Up",
        "event_time": datetime(2025, 1, 1),
        "distinct_id": "user-1",
        "insert_id": str(number),
        "properties": properties,
    }


def make_events(count: int, start: int = 0) -> Iterator[Record]:
    """Yield valid events, all different."""
    return map(make_event, range(start, start + count))


def make_profile(number: int = 0, **fields: Any) -> Record:
    """Return a valid profile; the same number gives the same profile."""
    return {
        "distinct_id": f"user-{number}",
        "properties": {"$city": "Zürich", "number": number},
        "last_seen": START + timedelta(days=number),
        **fields,
    }


def make_profiles(count: int, start: int = 0) -> Iterator[Record]:
    """Yield valid profiles, all different."""
    return map(make_profile, range(start, start + count))


def parsed_rows(storage: StorageEngine, table: str) -> list[tuple[Any, ...]]:
    """Return the rows of a table in insertion order, with the properties parsed."""
    cursor = storage.execute(f"SELECT * FROM {table} ORDER BY rowid")
    place = cursor.columns.index("properties")
    return [
        (*row[:place], json.loads(row[place], parse_float=Decimal), *row[place + 1 :])
        for row in cursor.fetchall()
    ]
