"""What a time means: the unit of a number, and the time zone of a wall clock.

Until 2023, Mixpanel counted the ``time`` of an event in the project's own time zone: local
wall-clock time, as if it were UTC
(https://docs.mixpanel.com/docs/admin/organizations-projects/manage-projects#manage-timezones-for-projects).
"""

from __future__ import annotations

import math
from datetime import timedelta
from numbers import Integral
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from mixpanel_data.common import times, values
from mixpanel_data.common.times import EARLIEST, EPOCH, LATEST, MICROSECOND
from mixpanel_data.exceptions import TimeUnitError
from mixpanel_data.types import NumberUnit, TimeUnit

#: Microseconds of each unit.
MICROSECONDS: dict[NumberUnit, int] = {"s": 1_000_000, "ms": 1_000, "us": 1}

#: Numbers below these are of the unit; larger ones are microseconds. In seconds, the first one is
#: in the year 5138; in milliseconds it is in 1973, and Mixpanel was founded in 2009.
_BANDS: tuple[tuple[int, NumberUnit], ...] = ((10**11, "s"), (10**14, "ms"))

_HOUR = 3_600_000_000


def is_far_from_ends(count: int) -> bool:
    """Tell whether a time is between the years 1 and 9999 in every time zone."""
    return EARLIEST + 24 * _HOUR <= count <= LATEST - 24 * _HOUR


class Clock:
    """Reads the times of events in one load.

    Args:
        unit: Unit of times that are numbers; ``"auto"`` tells it by their size.
        zone: Time zone of numbers, and of text that names none. None for UTC.

    Attributes:
        units: With ``"auto"``, the unit that the numbers have shown so far, and the first of them.
    """

    def __init__(self, unit: TimeUnit = "s", zone: ZoneInfo | None = None) -> None:
        self.unit = unit
        self.zone = zone
        self.units: dict[NumberUnit, object] = {}

    def read(self, value: object) -> tuple[int, bool]:
        """Return a time in microseconds since 1970, and whether it is of :attr:`zone`.

        A time of the zone is returned as it stands; :meth:`to_utc` converts it.

        Raises:
            ValueError: The value is no time, or one that has left the years 1 to 9999 in UTC.
        """
        moment = times.time_in(value) if isinstance(value, str) else value
        if values.is_number(moment):
            count, is_local = self._count_of(moment), self.zone is not None
        else:
            is_naive = isinstance(value, str) and getattr(moment, "tzinfo", None) is None
            count, is_local = times.microseconds(moment), is_naive and self.zone is not None
        if is_local and not is_far_from_ends(count):
            times.in_range(self.to_utc(count), value)
        return count, is_local

    def require_one_unit(self) -> None:
        """Raise when the numbers so far are of different units.

        Raises:
            TimeUnitError: They are.
        """
        if len(self.units) > 1:
            raise TimeUnitError(dict(self.units))

    def _count_of(self, number: Any) -> int:
        """Return a number as microseconds, and note its unit.

        Raises:
            ValueError: It is not finite, or too large.
        """
        if self.unit != "auto":
            return times.scaled(number, MICROSECONDS[self.unit])
        if not isinstance(number, Integral) and not math.isfinite(number):
            raise ValueError(f"is {number}, which is no time.")
        unit: NumberUnit = next((unit for end, unit in _BANDS if abs(number) < end), "us")
        count = times.scaled(number, MICROSECONDS[unit])
        self.units.setdefault(unit, number)
        return count

    def to_utc(self, local: int) -> int:
        """Return a wall-clock time of the zone, in microseconds, as microseconds in UTC.

        Of a time that exists twice, when clocks are set back, it is the first. One that does not
        exist, when they are set forward, has the offset from before.
        """
        return local - self._offset(local)

    def all_to_utc(self, local: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return many times as :meth:`to_utc` does; the offset of most hours is asked for once."""
        hours, positions = np.unique(local // _HOUR, return_inverse=True)
        first = np.array([self._offset(hour * _HOUR) for hour in hours.tolist()], np.int64)
        last = [self._offset(hour * _HOUR + _HOUR - 1) for hour in hours.tolist()]
        offsets = first[positions.reshape(-1)]
        changing = np.flatnonzero((first != last)[positions.reshape(-1)])
        offsets[changing] = [self._offset(time) for time in local[changing].tolist()]
        return local - offsets

    def _offset(self, local: int) -> int:
        if self.zone is None:
            return 0
        moment = EPOCH + timedelta(microseconds=min(max(local, EARLIEST), LATEST))
        # `fold=0` is the first of two, and in a gap the offset from before:
        # https://peps.python.org/pep-0495/
        offset = moment.replace(tzinfo=self.zone, fold=0).utcoffset()
        return 0 if offset is None else offset // MICROSECOND
