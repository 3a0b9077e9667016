"""Tell a full disk from other errors of the system."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from mixpanel_data.exceptions import DiskFullError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def full_disk(path: Path, error: OSError, problem: str) -> DiskFullError | None:
    """Return the error for a file of ours that has no room, None for any other reason.

    Args:
        path: The file.
        error: What the system said.
        problem: What could not be done, as a sentence.
    """
    if error.errno not in _FULL:
        return None
    free = shutil.disk_usage(path.absolute().parent).free
    return DiskFullError(path, free, f"{problem} Make room there, and try again.")
