"""Which open files can be read: an error for those that cannot, and for what is none."""

from __future__ import annotations

import inspect
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mixpanel_data.exceptions import ExportFileError

#: What looks like a file or a list of files, and what to pass in its place.
_OTHERS: tuple[tuple[type, str], ...] = (
    (zipfile.ZipFile, "a ZipFile. Pass the path of the archive, or a member of it: open(name)"),
    (zipfile.Path, "a zipfile.Path. Pass the path of the archive, or the member: open('rb')"),
    (
        tarfile.TarFile,
        "a TarFile. Pass a list of its members, each as extractfile(name), or unpack it first",
    ),
    (socket.socket, "a socket. Pass makefile('rb') of it"),
)

CLOSED = "the file is closed. Pass it while it is open, and keep it open until it is read."
_UNDECODABLE = "cannot be read as text: {}. Open it in binary mode, with 'rb'."


def require_readable(data: object, argument: str) -> None:
    """Raise for what cannot be read, or not in that way.

    Args:
        data: What was given.
        argument: What the caller knows it as.

    Raises:
        TypeError: It is no file, or open for writing only.
        ExportFileError: It is closed.
    """
    for kind, what in _OTHERS:
        if isinstance(data, kind):
            raise TypeError(f"{argument} is {what}.")
    if is_closed(data):
        raise ExportFileError(name_of(data), f"{argument} cannot be read: {CLOSED}")
    # A class of its own may read, and leave readable() to a base that says no.
    if _says(data, "readable") is False and _says(data, "writable") is True:
        raise TypeError(
            f"{argument} is {name_of(data)}, which is open for writing only. Close it and pass its "
            "path, or open it with 'rb'."
        )
    if inspect.iscoroutinefunction(getattr(data, "read", None)):
        raise TypeError(
            f"{argument} is of type {type(data).__name__}, which has to be awaited. Pass an open "
            "binary file, or await its bytes and pass io.BytesIO(them)."
        )


def _says(file: object, method: str) -> object:
    """Return what a method of a file says, None where it has none."""
    ask = getattr(file, method, None)
    return ask() if callable(ask) else None


def is_closed(data: Any) -> bool:
    """Tell whether a file is closed. A response counts as closed when nothing is left to read."""
    return getattr(data, "closed", False) is True and not hasattr(data, "headers")


@contextmanager
def unreadable_named(name: str, file: object) -> Iterator[None]:
    """Name a file that the block cannot read for what the caller did with it.

    Raises:
        ExportFileError: It was closed, or is open as text that it does not have.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise ExportFileError(name, _UNDECODABLE.format(error)) from error
    except ValueError as error:
        # A file may be open, and the one below it closed.
        if not is_closed(file) and "closed file" not in str(error):
            raise
        raise ExportFileError(name, CLOSED) from error


def name_of(file: object) -> str:
    """Return what messages call an open file."""
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name else f"<{type(file).__name__}>"
