"""The workers of an engine: processes that run SQL for it, one statement at a time each."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from mixpanel_data.database.ephemeral import EphemeralFolder, creation_guard
from mixpanel_data.database.sandbox.deadline import Deadline, current_deadline
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.worker.parameters import pickled
from mixpanel_data.database.sandbox.worker.places import Place
from mixpanel_data.database.sandbox.worker.process import Failure, Process
from mixpanel_data.database.sandbox.worker.protocol import Opening, ProtocolError, Request
from mixpanel_data.exceptions import (
    QueryTimeoutError,
    ResultTooLargeError,
    SandboxError,
    StorageClosedError,
    WorkerCrashedError,
)

if TYPE_CHECKING:
    from mixpanel_data.database.sandbox.results import Result

#: The share of a statement's memory for DuckDB's ``memory_limit``, above which it spills to disk.
#: The rest is for memory that DuckDB does not count.
_SHARE = 0.5

#: The errors of DuckDB's client, by name.
_DRIVER_ERRORS = {
    name: kind
    for name, kind in vars(duckdb).items()
    if isinstance(kind, type) and issubclass(kind, duckdb.Error)
}


def check_options(sandbox: Sandbox, place: object, *, read_only: bool) -> None:
    """Raise if ``sandbox`` asks for workers that are not possible.

    Raises:
        ValueError: It is no file or lake opened read-only, or the system is not Linux.
    """
    if not sandbox.worker:
        return
    if place is None or not read_only:
        raise ValueError(
            "Sandbox(worker=True) needs a file or a lake that is opened with read_only=True: the "
            "worker is another process, which opens it as well."
        )
    if sys.platform != "linux":
        raise ValueError(
            "Sandbox(worker=True) needs Linux, on whose limits it relies. Leave worker out, or run "
            "this in a container."
        )


class Workers:
    """The workers of one open database.

    They are started on demand and kept for later statements. When all of them are busy, statements
    wait.

    Args:
        place: The database, with its secrets, which new workers need.
        config: DuckDB's settings, including those of the sandbox.
        sandbox: The limits.
        memory: The limit of memory, in bytes.
    """

    def __init__(self, place: Place, config: dict[str, Any], sandbox: Sandbox, memory: int) -> None:
        self._pid = os.getpid()
        self._place = place
        # Ours comes first, because later settings lock the configuration.
        self._config = {"temp_directory": ""} | config
        self._config["memory_limit"] = f"{int(memory * _SHARE) // 1000}KB"
        self._memory = memory
        self._sandbox = sandbox
        self._turn = threading.Condition()
        self._most = sandbox.max_workers
        self._idle: list[Process] = []
        self._busy: set[Process] = set()
        self._closed = False
        self._numbers = itertools.count()
        with creation_guard():
            self._folder = EphemeralFolder()

    def run(self, request: Request) -> Result:
        """Run a statement in a worker and return its rows.

        Raises:
            SandboxError: It is refused.
            duckdb.Error: As DuckDB raised it in the worker.
            QueryTimeoutError: It took too long, and the worker was killed.
            ResultTooLargeError: There are more rows, or bytes, than a result may have.
            WorkerCrashedError: The worker died.
            DatabaseMovedError: A new worker would open another file.
            DatabaseFileError: A new worker cannot open the file.
            LakeError: A new worker cannot open the lake.
            StorageClosedError: The engine was closed, before or during the call.
        """
        body, sql = pickled(request), request.sql
        deadline = current_deadline()
        with self._lent() as process:
            try:
                answer = _ask(process, body, deadline)
            except TimeoutError as error:
                raise self._timeout(deadline, sql) from error
            except (EOFError, ProtocolError) as error:
                ended = process.kill()
                self._require_open()
                if deadline is not None and deadline.is_over:
                    raise self._timeout(deadline, sql) from error
                raise WorkerCrashedError(str(error) or ended, sql) from error
        if isinstance(answer, dict):
            raise self._error(answer, sql)
        return answer

    def close(self) -> None:
        """Stop all workers; statements that run in them fail."""
        if os.getpid() != self._pid:
            return
        with self._turn:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            self._turn.notify_all()
        for process in idle:
            process.close()
        for process in busy:  # the thread that uses it closes it
            process.kill()
        self._folder.remove()

    @contextmanager
    def _lent(self) -> Iterator[Process]:
        """Provide a worker for exclusive use, waiting for one if necessary."""
        with self._turn:
            self._turn.wait_for(lambda: self._closed or len(self._busy) < self._most)
            self._require_open()
            process = self._living() or self._new()
            self._busy.add(process)
        try:
            yield process
        finally:
            with self._turn:
                self._busy.remove(process)
                is_kept = process.is_usable and not self._closed
                if is_kept:
                    self._idle.append(process)
                self._turn.notify()
            if not is_kept:
                _end(process)

    def _living(self) -> Process | None:
        """Return an idle worker that is alive, None if there is none."""
        while self._idle:
            process = self._idle.pop()
            if process.is_alive:
                return process
            _end(process)
        return None

    def _new(self) -> Process:
        folder = self._folder.path / str(next(self._numbers))
        config = self._config | {"temp_directory": str(folder)}
        return Process(Opening(self._place.sent(), config, self._memory, self._sandbox), folder)

    def _require_open(self) -> None:
        if self._closed:
            raise StorageClosedError

    def _timeout(self, deadline: Deadline | None, sql: str) -> QueryTimeoutError:
        if deadline is not None and deadline.is_over:
            return QueryTimeoutError(deadline.seconds, sql)
        return QueryTimeoutError(self._sandbox.timeout or 0.0, sql)

    def _error(self, failure: Failure, sql: str) -> Exception:
        """Return the error for a worker's failure, always of a known class."""
        said = {name: str(value) for name, value in failure.items()}
        if "refused" in said:
            return SandboxError(said["refused"], sql, said.get("advice", ""))
        if (unit := said.get("too_large")) in ("rows", "bytes"):
            return ResultTooLargeError(getattr(self._sandbox, f"max_{unit}"), unit, sql)
        if "opening" in said:
            return self._place.failure(said["opening"])
        kind = _DRIVER_ERRORS.get(said.get("driver", ""), duckdb.Error)
        return kind(said.get("message", ""))


def _ask(process: Process, body: bytes, deadline: Deadline | None) -> Result | Failure:
    """Run a statement, until the deadline at the latest.

    Raises:
        TimeoutError: It took too long, or the deadline was over.
    """
    if deadline is None:
        return process.ask(body)
    with deadline.stopping(process.kill):
        with deadline.paused():
            failure = process.prepare()
        if failure is not None:
            return failure
        if deadline.is_over:
            raise TimeoutError
        return process.ask(body, deadline.at)


def _end(process: Process) -> None:
    process.close()
    shutil.rmtree(process.folder, ignore_errors=True)
