"""What becomes what, by every way in: the tables of ``docs/values.md``."""

from __future__ import annotations

import collections
import dataclasses
import enum
import json
import types
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from mixpanel_data import RecordError, StorageEngine
from tests.records import EVENTS, PROFILES, Record, make_event, make_profile


class Color(enum.Enum):
    RED = "red"


class Plan(str, enum.Enum):
    PRO = "pro"


class Size(enum.IntEnum):
    SMALL = 1


@dataclasses.dataclass
class Point:
    x: Any


@dataclasses.dataclass
class Slotted:
    __slots__ = ("_hidden", "x")
    x: Any
    _hidden: int


class Price(enum.Enum):
    LOW = Decimal("1.5")


class NotFinite(enum.Enum):
    NAN = float("nan")


NEW_YEAR = datetime(2025, 1, 1)
SECONDS = 1735689600

WAYS: dict[str, Callable[[Record], Any]] = {
    "records": lambda record: [record],
    "pandas": lambda record: pd.DataFrame([record]),
}

TIMES: dict[str, tuple[Any, datetime]] = {
    "text": ("2025-01-01T00:00:00", NEW_YEAR),
    "with Z": ("2025-01-01T00:00:00Z", NEW_YEAR),
    "with UTC": ("2025-01-01 00:00:00 UTC", NEW_YEAR),
    "with an offset": ("2025-01-01T01:00:00+01:00", NEW_YEAR),
    "digits": (str(SECONDS), NEW_YEAR),
    "integer": (SECONDS, NEW_YEAR),
    "float": (SECONDS + 0.25, NEW_YEAR + timedelta(milliseconds=250)),
    "Decimal": (Decimal(SECONDS), NEW_YEAR),
    "NumPy integer": (np.int32(SECONDS), NEW_YEAR),
    "NumPy datetime64": (np.datetime64("2025-01-01T00:00:00", "ns"), NEW_YEAR),
    "NumPy day": (np.datetime64("2025-01-01"), NEW_YEAR),
    "Timestamp": (pd.Timestamp("2025-01-01"), NEW_YEAR),
    "aware Timestamp": (pd.Timestamp("2025-01-01", tz="UTC"), NEW_YEAR),
    "naive": (NEW_YEAR, NEW_YEAR),
    "aware": (
        NEW_YEAR.replace(tzinfo=timezone(timedelta(hours=-1))),
        NEW_YEAR + timedelta(hours=1),
    ),
    "date": (date(2025, 1, 1), NEW_YEAR),
}

IDS: dict[str, tuple[Any, str]] = {
    "text": ("a", "a"),
    "integer": (42, "42"),
    "float": (4.5, "4.5"),
    "Decimal": (Decimal("7"), "7"),
    "True": (True, "true"),
    "NumPy integer": (np.int64(42), "42"),
    "NumPy text": (np.str_("a"), "a"),
    "UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "an enum of text": (Plan.PRO, "pro"),
    "None": (None, ""),
    "NaN": (float("nan"), ""),
    "NA": (pd.NA, ""),
}

PROPERTIES: dict[str, tuple[Any, Any]] = {
    "text": ("é", "é"),
    "huge integer": (2**200, 2**200),
    "Decimal": (Decimal("1.5"), 1.5),
    "datetime": (NEW_YEAR, "2025-01-01T00:00:00"),
    "date": (date(2025, 1, 1), "2025-01-01"),
    "time": (time(1, 2), "01:02:00"),
    "Timestamp": (pd.Timestamp("2025-01-01", tz="UTC"), "2025-01-01T00:00:00+00:00"),
    "datetime64": (np.datetime64("2025-01-01T00:00:00", "ns"), "2025-01-01T00:00:00"),
    "UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "enum": (Color.RED, "red"),
    "enum of text": (Plan.PRO, "pro"),
    "enum of numbers": (Size.SMALL, 1),
    "NumPy integer": (np.uint8(5), 5),
    "NumPy float": (np.float32(1.5), 1.5),
    "NumPy boolean": (np.bool_(True), True),
    "array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "array of objects": (np.array([np.int64(3), None], dtype=object), [3, None]),
    "Series": (pd.Series([1, 2]), [1, 2]),
    "NA": ([pd.NA, pd.NaT], [None, None]),
    "tuple": ((1, 2), [1, 2]),
    "mapping": (types.MappingProxyType({"a": 1}), {"a": 1}),
    "OrderedDict": (collections.OrderedDict(a=[pd.NA]), {"a": [None]}),
    "dataclass": (Point(1), {"x": 1}),
    "dataclass with slots": (Slotted(10**30, 2), {"x": 10**30}),
    "values of libraries in a dataclass": (
        Point([Decimal("1.5"), np.int64(2), pd.NA, {3: np.array([4])}]),
        {"x": [1.5, 2, None, {"3": [4]}]},
    ),
    "enum of a decimal": (Price.LOW, 1.5),
    "keys that are numbers": (
        {1: "a", np.int64(2): "b", None: "c"},
        {"1": "a", "2": "b", "null": "c"},
    ),
}

REFUSED: dict[str, Any] = {
    "NaN": float("nan"),
    "NaN in an array": np.array([1.0, np.nan]),
    "NaN in a dataclass": [None, Point(float("nan"))],
    "infinity in a dataclass with slots": Slotted({"y": float("inf")}, 1),
    "NaN in an enum": NotFinite.NAN,
    "bytes": b"x",
    "set": {1},
    "range": range(2),
    "timedelta": timedelta(1),
    "timedelta64": np.timedelta64(1, "s"),
    "timedelta64 of nanoseconds": np.timedelta64(1, "ns"),
    "array of timedelta64": np.array([1, 2], "timedelta64[ns]"),
    "Timedelta": pd.Timedelta(1, "s"),
    "complex": 1j,
    "a key that is a date": {date(2025, 1, 1): 1},
    "keys of the same text": {1: "a", "1": "b"},
}


@pytest.fixture(params=WAYS)
def store(request: pytest.FixtureRequest) -> Callable[[Record, str], Any]:
    """Store an event, and return one column of it."""

    def run(record: Record, column: str) -> Any:
        with StorageEngine.memory() as storage:
            storage.create_events_table("t", WAYS[request.param](record), EVENTS)
            return storage.execute_scalar(f"SELECT {column} FROM t")

    return run


@pytest.mark.parametrize("case", TIMES)
def test_times(store: Callable[[Record, str], Any], case: str) -> None:
    value, stored = TIMES[case]
    assert store(make_event(0, event_time=value, properties={}), "event_time") == stored


@pytest.mark.parametrize("case", IDS)
def test_ids(store: Callable[[Record, str], Any], case: str) -> None:
    value, stored = IDS[case]
    assert store(make_event(0, distinct_id=value, properties={}), "distinct_id") == stored
    insert_id = store(make_event(0, insert_id=value, properties={}), "insert_id")
    assert insert_id == stored if stored else len(insert_id) == 32


@pytest.mark.parametrize("case", PROPERTIES)
def test_properties(store: Callable[[Record, str], Any], case: str) -> None:
    value, stored = PROPERTIES[case]
    assert json.loads(store(make_event(0, properties={"v": value}), "properties")) == {"v": stored}


@pytest.mark.parametrize("case", REFUSED)
def test_what_json_has_no_form_for_is_refused(
    store: Callable[[Record, str], Any], case: str
) -> None:
    with pytest.raises(RecordError) as caught:
        store(make_event(0, properties={"v": REFUSED[case]}), "properties")
    assert (caught.value.index, caught.value.field) == (0, "properties")


@pytest.mark.parametrize("field", ["event_time", "distinct_id", "insert_id"])
@pytest.mark.parametrize("unit", ["auto", "s"])
def test_a_duration_is_no_time_and_no_id(
    storage: StorageEngine, field: str, unit: Literal["auto", "s"]
) -> None:
    wrong = [make_event(0, **{field: np.timedelta64(5, "s")})]
    with pytest.raises(RecordError, match="not timedelta64") as caught:
        storage.create_events_table("t", wrong, EVENTS, time_unit=unit)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "missing", [None, float("nan"), pd.NaT, pd.NA, np.datetime64("NaT", "us")], ids=repr
)
def test_an_event_needs_a_time_and_a_profile_needs_none(
    storage: StorageEngine, missing: Any
) -> None:
    with pytest.raises(RecordError, match="must not be None"):
        storage.create_events_table("t", [make_event(0, event_time=missing)], EVENTS)
    storage.create_profiles_table("users", [make_profile(0, last_seen=missing)], PROFILES)
    assert storage.execute_scalar("SELECT last_seen FROM users") is None
    with pytest.raises(RecordError, match="must not be None"):
        storage.append_profiles_table("users", [make_profile(1, distinct_id=missing)], PROFILES)
