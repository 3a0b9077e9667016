"""Waiting for a file that another process has open."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")

#: Seconds between two attempts: the first, and the most.
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 1.0


def retry_while_locked(
    attempt: Callable[[], _T], is_locked: Callable[[Exception], bool], timeout: float
) -> _T:
    """Return what an attempt returns, made again and again while the file is locked.

    Args:
        attempt: Opens the file.
        is_locked: Tells whether what it raised means that another process has the file open.
        timeout: Seconds after which to raise that error; 0 to try once.
    """
    deadline, wait = time.monotonic() + timeout, _FIRST_WAIT
    while True:
        try:
            return attempt()
        except Exception as error:
            left = deadline - time.monotonic()
            if left <= 0 or not is_locked(error):
                raise
        time.sleep(min(wait, left))
        wait = min(2 * wait, _LONGEST_WAIT)
