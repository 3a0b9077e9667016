"""Files behind URLs such as ``s3://bucket/exports/*.jsonl.gz``, read through fsspec.

fsspec and the packages for its protocols come with the extra ``remote``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mixpanel_data.exceptions import (
    ExportFileError,
    ExportFileNotFoundError,
    RemoteFilesUnavailableError,
)
from mixpanel_data.ingest.byte_stream import ByteStream, stream_of_file
from mixpanel_data.ingest.data_names import is_data_name
from mixpanel_data.ingest.network_failures import is_missing, reason_of

# Two characters at least: "C:" is a drive.
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://")

#: Where "?" and "*" are part of the address, and nothing can be listed.
_HTTP = {"http", "https"}

#: Protocols of fsspec that lead to files of this machine, which may be databases that are open.
_LOCAL = {"file", "local"}


@dataclass(frozen=True)
class RemoteFile:
    """A file behind a URL.

    Attributes:
        name: The URL without what may be secret in it.
        filesystem: The filesystem of fsspec that it is in.
        path: Where it is in there.
    """

    name: str
    filesystem: Any = field(repr=False)
    path: str = field(repr=False)

    @contextmanager
    def open(self) -> Iterator[ByteStream]:
        """Open the file."""
        with _failures_named(self.name):
            file = self.filesystem.open(self.path, "rb")
        with file:
            yield stream_of_file(self.name, file)


@contextmanager
def _failures_named(name: str) -> Iterator[None]:
    """Tell a file that is not there from one that nobody has answered about.

    Raises:
        ExportFileNotFoundError: There is none.
        ExportFileError: Whether there is one is not known: no access, no answer, no network.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, FileNotFoundError):
            if is_missing(error):
                raise ExportFileNotFoundError(name, "no such file. Check the URL.") from error
            reason = reason_of(error.__cause__ or error)
        else:
            reason = reason_of(error)
        problem = f"cannot be read: {reason}. Check access and network, and try again."
        raise ExportFileError(name, problem) from error


def is_url(name: str) -> bool:
    """Tell whether a name is a URL, one of a local file, too."""
    return _URL.match(name) is not None


def local_path_of(url: str) -> str | None:
    """Return the path of a ``file://`` URL, None for others."""
    parts = urlsplit(url)
    return url2pathname(parts.path) if parts.scheme.lower() in _LOCAL else None


def find_remote_files(url: str) -> list[RemoteFile]:
    """Return the files that a URL stands for: one, those of a pattern, or those of a folder.

    Raises:
        ExportFileNotFoundError: There is none.
        ExportFileError: Whether there is one is not known: no access, no answer, no network.
        RemoteFilesUnavailableError: A package for the protocol is missing.
    """
    public = _without_secrets(url)
    if "::" in url:
        raise ExportFileNotFoundError(public, "chained URLs are not supported. Save the file.")
    filesystem, path = _filesystem_of(url, public)
    if urlsplit(url).scheme.lower() in _HTTP:
        return [RemoteFile(public, filesystem, path)]
    with _failures_named(public):
        found = _found(filesystem, path)
    found = [entry for entry in found if entry == path or _is_data(entry)]
    if not found:
        raise ExportFileNotFoundError(public, "no such file, or nothing in it. Check the URL.")
    scheme = url.partition("://")[0]
    return [RemoteFile(_with_scheme(scheme, entry), filesystem, entry) for entry in sorted(found)]


def _filesystem_of(url: str, public: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise RemoteFilesUnavailableError(public, "fsspec is not installed") from error
    try:
        filesystem, path = url_to_fs(url)
    except ImportError as error:
        raise RemoteFilesUnavailableError(public, str(error).rstrip(".")) from error
    except ValueError as error:
        problem = f"fsspec knows no protocol {urlsplit(url).scheme!r}. Check the URL."
        raise ExportFileNotFoundError(public, problem) from error
    return filesystem, path


def _found(filesystem: Any, path: str) -> list[str]:
    try:
        kind = filesystem.info(path)["type"]  # `isfile` is false without access, too
    except FileNotFoundError:
        found = [entry for entry in filesystem.glob(path) if filesystem.isfile(entry)]
        if not found:
            with suppress(FileNotFoundError):  # `glob` finds nothing without access, too
                filesystem.ls(re.split(r"[*?\[]", path)[0].rpartition("/")[0])
        return found
    if kind == "file":
        return [path]
    listed = filesystem.ls(path, detail=True)
    found = [entry["name"] for entry in listed if entry["type"] == "file"]
    return [entry for entry in found if entry.rstrip("/") != path.rstrip("/")]


def _is_data(path: str) -> bool:
    return is_data_name(posixpath.basename(path.rstrip("/")))


def _with_scheme(scheme: str, path: str) -> str:
    return f"{scheme}://{path.lstrip('/')}"


def _without_secrets(url: str) -> str:
    """Return a URL without user, password, query and fragment: signed URLs have keys there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
