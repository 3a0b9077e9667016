"""Read the times of a batch at once, where they are of one form; the others are read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import repeat
from operator import sub
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mixpanel_data.common.times import EARLIEST, EPOCH, EPOCH_UTC, LATEST
from mixpanel_data.ingest.clock import MICROSECONDS, Clock, is_far_from_ends

_SECOND = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?"
#: The forms of text that Arrow reads as :func:`mixpanel_data.common.times.microseconds` does, and
#: the Arrow type that it reads them for.
_FORMS = {
    _SECOND + "$": pa.timestamp("us"),
    _SECOND + r"(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$": pa.timestamp("us", "UTC"),
}

Counts = npt.NDArray[np.int64]


def counts_of(cells: Sequence[Any], clock: Clock) -> tuple[Counts, bool] | None:
    """Return times in microseconds since 1970, and whether they are of the clock's time zone.

    Returns:
        None where the times are not all of one ordinary form, or one of them is no time.
    """
    kinds = set(map(type, cells))
    if len(kinds) != 1 or (read := _READERS.get(kinds.pop())) is None:
        return None
    try:
        found = read(cells, clock)
    except (ValueError, TypeError, OverflowError):  # includes pyarrow.ArrowInvalid
        return None
    if found is None:
        return None
    counts, is_local = found
    ends = int(counts.min()), int(counts.max())
    if is_local and not all(map(is_far_from_ends, ends)):
        return None
    return found if EARLIEST <= ends[0] <= ends[1] <= LATEST else None


def _of_datetimes(cells: Sequence[Any], _: Clock) -> tuple[Counts, bool]:
    epoch = EPOCH if cells[0].tzinfo is None else EPOCH_UTC  # TypeError where some differ
    elapsed = pa.array(list(map(sub, cells, repeat(epoch))), pa.duration("us"))
    return elapsed.view(pa.int64()).to_numpy(), False


def _of_text(cells: Sequence[Any], clock: Clock) -> tuple[Counts, bool] | None:
    texts = pa.array(cells, pa.string())
    for form, kind in _FORMS.items():
        if pc.all(pc.match_substring_regex(texts, form)).as_py():
            counts = texts.cast(kind).cast(pa.int64()).to_numpy()
            return counts, clock.zone is not None and kind.tz is None
    return None


def _of_integers(cells: Sequence[Any], clock: Clock) -> tuple[Counts, bool] | None:
    if clock.unit == "auto":
        return None
    factor = MICROSECONDS[clock.unit]
    numbers = np.array(cells, np.int64)
    if numbers.min() < EARLIEST // factor or numbers.max() > LATEST // factor:
        return None
    return numbers * factor, clock.zone is not None


def _of_floats(cells: Sequence[Any], clock: Clock) -> tuple[Counts, bool] | None:
    if clock.unit == "auto":
        return None
    products = np.array(cells, np.float64) * MICROSECONDS[clock.unit]
    if not (np.abs(products) < 2**62).all():  # NaN is not less, either
        return None
    return np.rint(products).astype(np.int64), clock.zone is not None


_READERS = {datetime: _of_datetimes, str: _of_text, int: _of_integers, float: _of_floats}
