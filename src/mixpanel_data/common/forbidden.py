"""Files and folders that the system keeps from this user."""

from __future__ import annotations

import errno
from pathlib import Path

from mixpanel_data.exceptions import DatabasePermissionError

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def forbidden(path: Path, error: Exception) -> DatabasePermissionError | None:
    """Return the error for a database that may not be read or written, None for any other reason.

    Args:
        path: The file.
        error: What the system said.
    """
    if not isinstance(error, OSError) or error.errno not in _FORBIDDEN:
        return None
    return DatabasePermissionError(path, f"{error.strerror}.", said_by="The system")
