"""Defers Ctrl-C and other signals during code that must not be interrupted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

#: Signals that end a process without Python's clean-up.
DEADLY = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def defer_keyboard_interrupt() -> AbstractContextManager[None]:
    """Defer Ctrl-C, and deadly signals that have a Python handler, in a short block."""
    numbers = (number for number in (signal.SIGINT, *DEADLY) if callable(signal.getsignal(number)))
    return defer_signals(*numbers)


@contextmanager
def defer_signals(*numbers: int) -> Iterator[None]:
    """Defer signals until the end of the block; Python handles them only in its main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in numbers}
    handled = {number: handler for number, handler in before.items() if handler is not None}
    for number in handled:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)
