"""Child Python processes: run to their end, or controlled line by line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds until a process that hangs is killed, from its start or from when it was last told
#: something. No test waits that long when all is well.
TIMEOUT = 60

ROOT = Path(__file__).resolve().parents[1]

#: Run first in every process: shells start background jobs with signals ignored, and that is
#: inherited. The names are what most scripts need.
PRELUDE = """
import os, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from mixpanel_data import *
from tests.records import *
def say(*words):
    print(*words, flush=True)
"""


class PythonProcess:
    """A Python process that runs a script, and is killed when it hangs or the block ends.

    The script finds the library's names, those of ``tests.records``, and ``say()``, a ``print()``
    that flushes.

    Args:
        script: Source code.
        arguments: What the script finds in ``sys.argv[1:]``.
        environment: Variables to set on top of this process's own.
    """

    def __init__(self, script: str, *arguments: object, **environment: object) -> None:
        python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        variables = {name: str(value) for name, value in environment.items()}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": python_path, **variables},
            start_new_session=True,
        )
        self._watchdog = self._watch()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def read(self) -> str:
        """Return the next line that the process prints, waiting for it."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"The process has ended.\n{self.errors()}"
        return line.rstrip("\n")

    def read_all(self) -> list[str]:
        """Return all lines until the process has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.read().splitlines()

    def write(self, line: str = "") -> None:
        """Send a line to the standard input of the process."""
        assert self._process.stdin is not None
        self._stop_watching()
        self._watchdog = self._watch()
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process at once, so that nothing of it can run any more."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Wait for the end; return the exit status, negative when a signal was the cause."""
        status = self._process.wait()
        assert self._watchdog.is_alive(), f"The process hung.\n{self.errors()}"
        return status

    def _watch(self) -> threading.Timer:
        watchdog = threading.Timer(TIMEOUT, self._kill_all)
        watchdog.start()
        return watchdog

    def _stop_watching(self) -> None:
        self._watchdog.cancel()
        self._watchdog.join()

    def _kill_all(self) -> None:
        """Kill the process and what it has forked."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def errors(self) -> str:
        """Return what the process wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop_watching()
        self._kill_all()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            assert stream is not None
            stream.close()


def run_python(script: str, *arguments: object, **environment: object) -> list[str]:
    """Run a script in another process, which has to succeed; return the lines it printed."""
    with PythonProcess(script, *arguments, **environment) as process:
        lines = process.read_all()
        status = process.wait()
        assert status == 0, f"Exit status {status}.\n{process.errors()}"
    return lines


def children_of(pid: int | None = None) -> list[int]:
    """Return the processes that a process has started, dead ones that nobody waited for too.

    It asks every process for its parent: the list of children that Linux keeps for each thread
    misses those of a thread that ends meanwhile.

    Args:
        pid: The process, by default this one.
    """
    parent, found = str(os.getpid() if pid is None else pid), []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # a process that has just ended
            # After the name, which is in parentheses and may be anything: the state, the parent.
            if (folder / "stat").read_text().rpartition(")")[2].split()[1] == parent:
                found.append(int(folder.name))
    return found
