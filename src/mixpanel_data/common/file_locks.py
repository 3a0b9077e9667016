"""A lock on a file that is kept when another descriptor of the file is closed: ``flock``.

It is used on Linux, where it is independent of DuckDB's record locks, but not on network file
systems, which turn it into a record lock.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

logger = logging.getLogger("mixpanel_data")

#: File systems that forward the lock to a server, or may do so.
_NETWORK = frozenset(
    [
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "virtiofs"),
    ]
)

_told: set[int] = set()


class FileLockedError(Exception):
    """A database file is open elsewhere.

    Attributes:
        pid: The process that has it open, None when unknown. It may be this one, which has opened
            the file under another name.
    """

    def __init__(self, pid: int | None) -> None:
        super().__init__(pid)
        self.pid = pid


def lock(descriptor: int, *, shared: bool) -> bool:
    """Lock a file until the descriptor is unlocked or closed, where the system supports it.

    Args:
        descriptor: A descriptor of the file.
        shared: Take a shared lock instead of an exclusive one.

    Returns:
        False where the lock is not supported.

    Raises:
        FileLockedError: Another process has it locked.
    """
    if sys.platform != "linux" or _is_remote(descriptor):
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FileLockedError(_holder(descriptor)) from None
    except OSError as error:
        _tell(os.fstat(descriptor).st_dev, str(error.strerror))
        return False
    return True


def unlock(descriptor: int) -> None:
    """Release the lock, also for forked processes that share the descriptor."""
    if sys.platform == "linux":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def exclude_writers(descriptor: int) -> None:
    """Lock a file as DuckDB does to read it, until any descriptor of the file is closed.

    Raises:
        FileLockedError: Another process has it open for writing.
    """
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # systems differ
            raise FileLockedError(None) from None


def _is_remote(descriptor: int) -> bool:
    device = os.fstat(descriptor).st_dev
    system = _file_systems().get(f"{os.major(device)}:{os.minor(device)}", "")
    is_remote = system in _NETWORK or system.startswith("fuse.")
    if is_remote:
        _tell(device, f"its file system is {system}")
    return is_remote


def _file_systems() -> dict[str, str]:
    """Return the types of the file systems by device, as in proc_pid_mountinfo(5)."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    parts = [mount.partition(" - ") for mount in mounts]
    return {about.split()[2]: system.split()[0] for about, _, system in parts if system}


def _tell(device: int, why: str) -> None:
    if device not in _told:
        _told.add(device)
        logger.warning(
            "Database files on device %d have DuckDB's own lock only, because %s. Do not read "
            "them as files while they are open.",
            device,
            why,
        )


def _holder(descriptor: int) -> int | None:
    """Return a process that has the file locked, None when unknown. See proc_locks(5)."""
    about = os.fstat(descriptor)
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    try:
        locks = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for kind, _, _, pid, where, *_ in (line.split()[1:] for line in locks if "->" not in line):
        if kind == "FLOCK" and where == place and int(pid) > 0:
            return int(pid)
    return None
