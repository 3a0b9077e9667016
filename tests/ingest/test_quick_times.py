"""Times of one form are read at once, and give what they give one by one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.time_columns import counts_of
from mixpanel_data.types import TimeUnit

ZONES = [None, ZoneInfo("Europe/Berlin")]

digits = st.integers(0, 59).map("{:02}".format)
days = st.dates().map(str)
fractions = st.integers(0, 10**6 - 1).map(".{:06}".format) | st.sampled_from(["", ".5", ".123"])
zones = st.sampled_from(
    ["", "Z", "+00:00", "-00:30", "+05:30", "-23:59", "+24:00", "+0530", " UTC"]
)
texts = st.builds(
    "{}{}{}:{}:{}{}{}".format,
    days,
    st.sampled_from("T "),
    st.integers(0, 24).map("{:02}".format),
    digits,
    st.integers(0, 60).map("{:02}".format),
    fractions,
    zones,
)
columns = (
    st.lists(texts, min_size=1, max_size=4)
    | st.lists(st.datetimes(), min_size=1, max_size=4)
    | st.lists(st.datetimes(timezones=st.just(timezone.utc)), min_size=1, max_size=4)
    | st.lists(st.integers(-(2**70), 2**70) | st.integers(-(10**11), 10**12), min_size=1)
    | st.lists(st.floats() | st.floats(-(10**11), 10**12), min_size=1)
)


@given(columns, st.sampled_from(["s", "ms", "us", "auto"]), st.sampled_from(ZONES))
def test_a_column_read_at_once_is_what_its_times_are(
    cells: list[Any], unit: TimeUnit, zone: ZoneInfo | None
) -> None:
    found = counts_of(cells, Clock(unit, zone))

    if found is not None:
        counts, is_local = found
        clock = Clock(unit, zone)
        assert [(count, is_local) for count in counts.tolist()] == list(map(clock.read, cells))


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["2025-01-31T12:00:00", "2025-01-31 12:00:00.5"], "s"),
        (["2025-01-31T12:00:00Z", "2025-01-31T12:00:00+05:30"], "s"),
        ([1738324800, 0, -1], "s"),
        ([1738324800123, 0], "ms"),
        ([1738324800.25, -0.5], "s"),
        ([datetime(2025, 1, 31), datetime(1, 1, 1)], "s"),
    ],
)
def test_ordinary_columns_are_read_at_once(cells: list[Any], unit: TimeUnit) -> None:
    assert counts_of(cells, Clock(unit)) is not None


@pytest.mark.parametrize(
    "cells",
    [
        ["2025-01-31", "2025-01-31T12:00:00"],
        ["2025-01-31T12:00:00", "2025-01-31T12:00:00Z"],
        [datetime(2025, 1, 31), datetime(2025, 1, 31, tzinfo=timezone.utc)],
        [1, 1.5],
        [True],
        [float("nan")],
        [2**63],
        [10**12],
        ["9999-12-31T23:59:59-01:00"],
    ],
)
def test_what_needs_a_closer_look_is_left_to_it(cells: list[Any]) -> None:
    assert counts_of(cells, Clock()) is None
