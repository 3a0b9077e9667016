"""The events that every benchmark loads: made up, deterministic, produced one at a time.

One event in a thousand comes a second time, as they do in Mixpanel's exports.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

Record = dict[str, Any]

START = datetime(2025, 1, 1, tzinfo=timezone.utc)
REPEAT_EVERY = 1_000
USERS = 50_021

_NAMES = ("Page View", "Page View", "Search", "Add to Cart", "Sign Up", "Purchase", "Log In")
_BROWSERS = ("Chrome", "Safari", "Firefox", "Edge")
_CITIES = (
    ("San Francisco", "California", "US"),
    ("São Paulo", "São Paulo", "BR"),
    ("Zürich", "Zurich", "CH"),
    ("Bengaluru", "Karnataka", "IN"),
)


def records(shape: str, rows: int, first: int = 0) -> Iterator[Record]:
    """Yield events as the engine takes them.

    Args:
        shape: ``"small"`` (3 properties) or ``"rich"`` (23 properties, some 730 bytes of JSON).
        rows: How many.
        first: Position of the first one in the endless sequence of events.
    """
    properties = _PROPERTIES[shape]
    for position in range(first, first + rows):
        is_repeat = position % REPEAT_EVERY == REPEAT_EVERY - 1
        number = position - REPEAT_EVERY // 2 if is_repeat else position
        yield {
            "event_name": _NAMES[number % len(_NAMES)],
            "event_time": START + timedelta(seconds=number),
            "distinct_id": f"user-{number * 31 % USERS}",
            "insert_id": hashlib.md5(b"%d" % number).hexdigest(),
            "properties": properties(number),
        }


def unique_count(rows: int) -> int:
    """Return how many different events there are among the first ``rows``."""
    return rows - rows // REPEAT_EVERY


def export_line(record: Record) -> Record:
    """Return an event as a line of a Mixpanel raw export has it."""
    properties = {
        "time": int(record["event_time"].timestamp()),
        "distinct_id": record["distinct_id"],
        "$insert_id": record["insert_id"],
        **record["properties"],
    }
    return {"event": record["event_name"], "properties": properties}


def export_lines(shape: str, rows: int, first: int = 0) -> Iterator[bytes]:
    """Yield the same events as lines of a Mixpanel raw export file."""
    for record in records(shape, rows, first):
        yield orjson.dumps(export_line(record), option=orjson.OPT_APPEND_NEWLINE)


def open_export(path: Path, mode: str) -> BinaryIO:
    """Open an export file; one whose name ends in ``.gz`` is compressed."""
    if path.suffix == ".gz":
        return cast(BinaryIO, gzip.open(path, mode, compresslevel=6))
    return cast(BinaryIO, path.open(mode))


def write_export(path: Path, shape: str, rows: int, first: int = 0) -> None:
    """Write an export file."""
    with open_export(path, "wb") as file:
        file.writelines(export_lines(shape, rows, first))


def _small(number: int) -> Record:
    return {
        "$browser": _BROWSERS[number % len(_BROWSERS)],
        "plan": "free" if number % 3 else "team",
        "amount": number % 500,
    }


def _rich(number: int) -> Record:
    city, region, country = _CITIES[number % len(_CITIES)]
    return {
        "$browser": _BROWSERS[number % len(_BROWSERS)],
        "$browser_version": 118 + number % 14,
        "$city": city,
        "$region": region,
        "mp_country_code": country,
        "$os": "Mac OS X" if number % 2 else "Windows",
        "$device_id": f"{number * 2654435761 % 2**64:016x}-{number:08x}",
        "$current_url": f"https://shop.example.com/catalogue/item-{number % 2000}"
        "?utm_source=newsletter&utm_medium=email&utm_campaign=winter",
        "$referrer": "https://www.search.example/results",
        "$initial_referring_domain": "www.search.example",
        "$screen_height": 1080 + number % 3 * 180,
        "$screen_width": 1920,
        "$lib_version": "2.56.0",
        "mp_lib": "web",
        "session_id": f"session-{number // 20:010d}",
        "Plan Name": "Professional (yearly)",
        "price": number % 10_000 / 100,
        "quantity": number % 7,
        "is_member": number % 2 == 0,
        "coupon": None if number % 4 else "WELCOME10",
        "tags": ["sale", "outdoor", f"season-{number % 4}"],
        "cart": {"items": number % 9, "currency": "EUR", "sizes": [1, 2, 3]},
        "search terms": "waterproof hiking boots with a wide fit",
    }


_PROPERTIES = {"small": _small, "rich": _rich}
