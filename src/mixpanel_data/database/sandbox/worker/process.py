"""The engine's side of one worker: starts the process, sends requests, reads answers, kills it."""

from __future__ import annotations

import math
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from mixpanel_data.database.sandbox.worker import protocol

if TYPE_CHECKING:
    from mixpanel_data.database.sandbox.results import Result

#: Imports the worker with the ``sys.path`` of this process.
BOOTSTRAP = """
import sys
sys.path[:] = sys.argv[1:]
from mixpanel_data.database.sandbox.worker.main import main
main()
"""

#: The environment variables that a worker inherits.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TZ")

#: Keeps allocators from reserving unused memory, because it counts towards the limit.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "131072",
}

#: How many seconds a worker may take to open the file.
START_SECONDS = 60.0

#: How many bytes Arrow may add to a result: names, types, padding.
_OVERHEAD = 64 * 2**20

#: After these errors, a worker is unusable, or has less memory than a new one.
_SPENT = {"OutOfMemoryException", "FatalException", "InternalException"}

#: The answer of a worker that is not rows.
Failure = dict[str, Any]

_running: set[Process] = set()
_starting = threading.Lock()


class Process:
    """A worker.

    Args:
        opening: What it opens, before its first statement.
        folder: The folder of its temporary files.

    Attributes:
        folder: As given.
        is_usable: True if it can probably run another statement.
    """

    def __init__(self, opening: protocol.Opening, folder: Path) -> None:
        self.folder = folder
        self.is_usable = False
        self._opening: protocol.Opening | None = opening
        self._sandbox = opening.sandbox
        with _starting:
            self._process, self._lifeline = _start()
            _running.add(self)
        pipes = (self._process.stdin, self._process.stdout)
        self._requests, self._answers = (pipe.fileno() for pipe in pipes if pipe is not None)
        os.set_blocking(self._requests, False)

    @property
    def is_alive(self) -> bool:
        """False once the process has ended, for whatever reason."""
        return self._process.poll() is None

    def prepare(self) -> Failure | None:
        """Wait until the worker has opened the file, and return the failure if it cannot.

        Raises:
            EOFError: The process died.
            ProtocolError: Its answer violates the protocol.
        """
        return None if self._opening is None else self._open(self._opening)

    def ask(self, request: bytes, until: float = math.inf) -> Result | Failure:
        """Run a statement in the worker and return its rows, or a failure.

        Args:
            request: The statement and its parameters, pickled.
            until: When it has to end, as ``time.monotonic()`` counts.

        Raises:
            TimeoutError: The statement took too long.
            EOFError: The process died.
            ProtocolError: Its answer violates the protocol.
        """
        if (failure := self.prepare()) is not None:
            return failure
        self.is_usable = False
        timeout = self._sandbox.timeout
        limit = math.inf if timeout is None else time.monotonic() + timeout
        deadline = None if min(limit, until) == math.inf else min(limit, until)
        self._send(protocol.QUERY, request, deadline)
        answer = self._read_answer(deadline)
        self.is_usable = not (isinstance(answer, dict) and answer.get("driver") in _SPENT)
        return answer

    def _open(self, opening: protocol.Opening) -> Failure | None:
        deadline = time.monotonic() + START_SECONDS
        try:
            self._send(protocol.OPEN, pickle.dumps(opening), deadline)
            kind, body = self._receive(protocol.SMALL, deadline)
        except TimeoutError as error:
            raise EOFError(f"it was not ready after {START_SECONDS:g} seconds") from error
        if kind != protocol.READY:
            return _failure(kind, body)
        self._opening = None
        return None

    def kill(self) -> str:
        """Kill the process, from any thread, and return how it ended."""
        self._process.kill()
        status = self._process.wait()
        if status >= 0:
            return f"it ended with status {status}"
        return f"it was killed by {signal.Signals(-status).name}"

    def close(self) -> None:
        """Kill the process and close the pipes. No other thread may be using them."""
        self.kill()
        self._let_go()

    def _let_go(self) -> None:
        _running.discard(self)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def disown(self) -> None:
        """Forget the process in a forked child: it belongs to the parent."""
        self._process.returncode = 0  # no waiting here, no warning that it still runs
        self._let_go()

    def _send(self, kind: bytes, body: bytes, deadline: float | None) -> None:
        try:
            protocol.send(
                self._requests, kind, body, _waiting(self._requests, select.POLLOUT, deadline)
            )
        except BrokenPipeError as error:
            raise EOFError from error

    def _receive(self, limit: int, deadline: float | None) -> tuple[bytes, bytearray]:
        return protocol.receive(
            self._answers, limit, _waiting(self._answers, select.POLLIN, deadline)
        )

    def _read_answer(self, deadline: float | None) -> Result | Failure:
        from mixpanel_data.database.sandbox.worker.received_rows import Rows

        rows, most = Rows(), self._sandbox.max_bytes + _OVERHEAD
        while True:
            kind, body = self._receive(most, deadline)
            if kind == protocol.END:
                return rows.result(_types(body))
            if kind != protocol.ROWS:
                return _failure(kind, body)
            rows.add(body)
            if rows.count > self._sandbox.max_rows or rows.size > most:
                raise protocol.ProtocolError("More rows than a worker may send.")


def _start() -> tuple[subprocess.Popen[bytes], int | None]:
    """Start a worker, and return the end of a pipe with which it dies, too."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    theirs, ours = os.pipe()
    try:
        process = subprocess.Popen(  # noqa: S603 (our own code)
            [sys.executable, "-c", BOOTSTRAP, *map(os.path.abspath, sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=inherited | _ALLOCATORS,
            cwd=Path(sys.executable).anchor,
            start_new_session=True,  # out of reach of the terminal's signals
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return process, ours


def _failure(kind: bytes, body: bytearray) -> Failure:
    if kind != protocol.FAILED:
        raise protocol.ProtocolError(f"{kind!r} where an answer was expected.")
    failure = _facts(body)
    if "crashed" in failure:
        raise protocol.ProtocolError(str(failure["crashed"]))
    return failure


def _types(body: bytearray) -> dict[int, str]:
    try:
        return {int(number): str(name) for number, name in _facts(body).items()}
    except ValueError as error:
        raise protocol.ProtocolError("Types of columns without a number.") from error


def _facts(body: bytearray) -> dict[str, Any]:
    try:
        facts = orjson.loads(body)
    except ValueError as error:
        raise protocol.ProtocolError("JSON that cannot be read.") from error
    if not isinstance(facts, dict):
        raise protocol.ProtocolError("JSON that is no object.")
    return facts


def _waiting(pipe: int, event: int, deadline: float | None) -> Callable[[], None]:
    """Return a function that waits for a pipe, and raises ``TimeoutError`` at the deadline."""
    poll = select.poll()
    poll.register(pipe, event)

    def wait() -> None:
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if left == 0 or not poll.poll(left):
            raise TimeoutError

    return wait


def _disown_after_fork() -> None:
    _starting.release()
    for process in list(_running):
        process.disown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_starting.acquire,
        after_in_parent=_starting.release,
        after_in_child=_disown_after_fork,
    )
