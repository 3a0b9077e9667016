"""The limits that the operating system sets to a process of its own, on Linux."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: What a worker may have open at a time: the database, its temporary files, a library.
_OPEN_FILES = 256

#: By how much DuckDB may make a file grow before it counts.
_FILE_STEP = 64 * 2**20

#: Where a process tells the kernel how dispensable it is.
OOM_SCORE = "/proc/self/oom_score_adj"


def confine(memory: int, file_size: int | None) -> None:
    """Set limits to this process, which nobody can raise again.

    Args:
        memory: How many bytes it may take on top of what it has now.
        file_size: How many bytes its temporary files may take, None for no limit. DuckDB counts
            them; the limit of the system, on each file, is for what gets around DuckDB.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    _limit(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    if file_size is not None:
        _limit(resource.RLIMIT_FSIZE, 2 * file_size + _FILE_STEP)
    # When the machine itself runs out of memory, a worker goes first.
    with suppress(OSError):
        Path(OOM_SCORE).write_text("1000")


def _limit(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    if most != resource.RLIM_INFINITY:
        value = min(value, most)
    resource.setrlimit(kind, (value, value))


@contextmanager
def dying_with(pipe: int) -> Iterator[None]:
    """Have this process killed when the other end of a pipe is closed in the block.

    The kernel does that, whatever this process is at. ``PR_SET_PDEATHSIG`` would not do: it goes by
    the thread that started this process, not by its process.

    Args:
        pipe: The descriptor to read from. Nothing must arrive meanwhile.
    """
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_ASYNC)
    if select.select([pipe], [], [], 0)[0]:  # closed before
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        yield
    finally:
        fcntl.fcntl(pipe, fcntl.F_SETFL, flags)
