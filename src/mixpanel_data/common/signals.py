"""Ctrl-C and other signals, where they must not strike in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

#: Signals that end a process without Python's own clean-up.
DEADLY = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def defer_keyboard_interrupt() -> AbstractContextManager[None]:
    """Let Ctrl-C, and what else Python code handles, wait for the end of the block, a short one."""
    numbers = (number for number in (signal.SIGINT, *DEADLY) if callable(signal.getsignal(number)))
    return defer_signals(*numbers)


@contextmanager
def defer_signals(*numbers: int) -> Iterator[None]:
    """Let signals wait for the end of the block; Python acts on them in its main thread only."""
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
