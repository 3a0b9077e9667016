"""Ctrl-C and other signals: deferred where nothing may be interrupted, heard while DuckDB works."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from itertools import islice
from types import FrameType, TracebackType
from typing import Any, TypeVar

from mixpanel_data.common.forks import in_forked_children

#: Signals that end a process without Python's clean-up.
DEADLY = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]

#: Handlers that end whatever runs, so that it need not be waited for. Those of an application may
#: mean anything.
ENDING: set[Any] = {signal.default_int_handler}

_T = TypeVar("_T")

#: How long to wait before a statement is interrupted again: it may not have listened yet.
_INSIST_SECONDS = 0.01


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


def heard_by(interrupt: Callable[[], object]) -> AbstractContextManager[object]:
    """Make Ctrl-C end a call of DuckDB at once.

    Python handles signals between two steps of its main thread. While that waits for a statement,
    DuckDB asks for them now and then, and within some steps never. Interrupting the statement from
    another thread always works.

    Args:
        interrupt: Makes the call end. Called in another thread, never after the block.

    Raises:
        KeyboardInterrupt: Ctrl-C came, whatever the call has ended with.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        return nullcontext()
    numbers = [n for n in (signal.SIGINT, *DEADLY) if signal.getsignal(n) in ENDING]
    return _Hearing(interrupt, numbers) if numbers else nullcontext()


def each_heard(items: Iterable[_T], interrupt: Callable[[], object]) -> Iterator[_T]:
    """Yield what DuckDB computes while it is read, and let Ctrl-C end the wait for it.

    Args:
        items: Such as the batches of a reader.
        interrupt: As for :func:`heard_by`.
    """
    rest = iter(items)
    while True:
        with heard_by(interrupt):
            found = list(islice(rest, 1))
        if not found:
            return
        yield found[0]


class _Hearing:
    """A block in which signals interrupt, and are handled at its end.

    While it lasts the handlers only take notes: the default one could raise within its clean-up.
    """

    def __init__(self, interrupt: Callable[[], object], numbers: list[int]) -> None:
        self.interrupt = interrupt
        self.numbers = numbers
        self.wakeup = -1
        self._before = [(number, signal.getsignal(number)) for number in numbers]
        self._came: list[int] = []

    def __enter__(self) -> None:
        self._listener = _listener()
        for number in self.numbers:
            signal.signal(number, self._note)
        self.wakeup = signal.set_wakeup_fd(self._listener.target, warn_on_full_buffer=False)
        self._listener.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            signal.set_wakeup_fd(self.wakeup)
            for number, handler in self._before:
                signal.signal(number, handler)
        finally:
            self._listener.end()
            if self._came:  # perhaps it has yet to read what came, and would take it for later
                _listener.cache_clear()
                self._listener.close()
        for number in dict.fromkeys(self._came):
            signal.raise_signal(number)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._came.append(number)


class _Listener:
    """A thread that hears signals while the main thread cannot.

    Attributes:
        target: The file descriptor to which Python writes the numbers of signals.
    """

    def __init__(self) -> None:
        self._source, self.target = os.pipe()
        os.set_blocking(self.target, False)
        self._ended = threading.Condition()
        self._block: _Hearing | None = None
        threading.Thread(target=self._listen, name="mixpanel_data-signals", daemon=True).start()

    def begin(self, block: _Hearing) -> None:
        """Interrupt what runs in a block, when a signal comes, until :meth:`end`."""
        self._block = block

    def end(self) -> None:
        """Leave alone whatever runs from now on."""
        with self._ended:
            self._block = None
            self._ended.notify()

    def close(self) -> None:
        """End the thread, once it has read what came."""
        os.close(self.target)

    def _listen(self) -> None:
        while numbers := os.read(self._source, 64):
            with self._ended:
                block = self._block
                if block is None:
                    continue
                others = bytes(number for number in numbers if number not in block.numbers)
                if others and block.wakeup >= 0:
                    with suppress(OSError):  # as Python does, which has nobody to tell
                        os.write(block.wakeup, others)
                while len(others) < len(numbers) and self._block is block:
                    block.interrupt()
                    self._ended.wait(_INSIST_SECONDS)
        os.close(self._source)


@cache
def _listener() -> _Listener:
    """Return the one of this process, which is made for its first statement."""
    return _Listener()


in_forked_children(_listener.cache_clear)
