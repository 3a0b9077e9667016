"""Limits of the operating system for a worker process, on Linux."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
from contextlib import suppress
from pathlib import Path

#: How many files a worker may have open: the database, its temporary files, a library.
_OPEN_FILES = 256

#: By how much DuckDB may grow a file before it counts it.
_FILE_STEP = 64 * 2**20

#: The file in which a process sets its priority for the kernel's OOM killer.
OOM_SCORE = "/proc/self/oom_score_adj"


def confine(memory: int, file_size: int | None) -> None:
    """Set limits for this process, which cannot be raised again.

    Args:
        memory: How many bytes it may allocate on top of its present size.
        file_size: How many bytes its temporary files may take, None for no limit. DuckDB counts
            them; the system's limit, on each file, is for writes that bypass DuckDB.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if file_size is not None:
        _limit(resource.RLIMIT_FSIZE, 2 * file_size + _FILE_STEP)
    # If the machine runs out of memory, the kernel kills a worker first.
    with suppress(OSError):
        Path(OOM_SCORE).write_text("1000")


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        value = min(value, most)
    resource.setrlimit(kind, (value, value))


def die_with(pipe: int) -> None:
    """Have the kernel kill this process when the other end of a pipe is closed.

    ``PR_SET_PDEATHSIG`` does not suffice: it depends on the thread that started this process, not
    on that thread's process.

    Args:
        pipe: The descriptor to read from. Nothing may ever be written to it: the signal comes for
            that, too, and even after what was written has been read.
    """
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # closed already
        os.kill(os.getpid(), signal.SIGKILL)
