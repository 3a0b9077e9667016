"""Ctrl-C while DuckDB works."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heard_at_once() -> Iterator[None]:
    """Make Ctrl-C end the statements that run in the block.

    Python handles signals between two steps of its main thread. While that waits for a statement,
    DuckDB asks for them now and then, and within some steps never. Interrupting the statement from
    another thread always works.

    Raises:
        KeyboardInterrupt: Ctrl-C came, whatever error the statement has ended with.
    """
    if os.name != "posix" or threading.current_thread() is not threading.main_thread():
        yield
        return
    read, write = os.pipe()
    os.set_blocking(write, False)
    came = threading.Event()
    thread = threading.Thread(target=_interrupt, args=(read, came), daemon=True)
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    thread.start()
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    finally:
        signal.set_wakeup_fd(before)
        os.close(write)
        thread.join()  # which has read by then whatever came
        os.close(read)
    if failed is not None:
        if came.is_set():
            raise KeyboardInterrupt from failed
        raise failed


def _interrupt(read: int, came: threading.Event) -> None:
    """Interrupt all statements after each Ctrl-C, until the other end of the pipe is closed."""
    from mixpanel_data.dialect.driver.connection import interrupt_all

    while numbers := os.read(read, 16):
        if signal.SIGINT in numbers:
            came.set()
            interrupt_all()
