"""What a caller gave becomes a list of sources: files, streams, lines, objects.

A ``Path``, or a ``str`` that names an existing file, is that file, whatever is in its name. Only a
``str`` that names none may be a URL or a pattern.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import has_magic
from itertools import chain
from pathlib import Path
from typing import Any

from mixpanel_data.common.homes import expanded_if_known
from mixpanel_data.common.open_files import open_among, require_no_database
from mixpanel_data.exceptions import ExportFileError, ExportFileNotFoundError
from mixpanel_data.ingest.arrow_batches import is_arrow
from mixpanel_data.ingest.byte_stream import (
    ByteStream,
    is_response,
    stream_of_file,
    stream_of_lines,
)
from mixpanel_data.ingest.data_names import is_data_name
from mixpanel_data.ingest.file_patterns import matches
from mixpanel_data.ingest.given_files import CLOSED, is_closed, name_of, require_readable
from mixpanel_data.ingest.remote_files import RemoteFile, find_remote_files, is_url, local_path_of

_WANTED = (
    "a path, a pattern such as 'exports/*.jsonl.gz', a folder, a URL, an open binary file, an "
    "iterable of lines or of objects as Mixpanel's clients hand them out, or a list of these"
)

#: How a line of JSON begins, one of a pretty-printed array, too. No path does.
_JSON_BEGINS = re.compile(r"\ufeff?\s*(\{|\[\s*(\{|$))")


@dataclass(frozen=True)
class LocalFile:
    """A file or named pipe of this machine.

    Attributes:
        name: What messages call it.
        path: The file.
    """

    name: str
    path: Path

    @contextmanager
    def open(self) -> Iterator[ByteStream]:
        """Open the file. A pipe can be opened and read once only."""
        require_no_database(self.path)
        try:
            file = self.path.open("rb")
        except FileNotFoundError as error:
            raise ExportFileNotFoundError(self.name, "is not there any more.") from error
        except OSError as error:
            raise _unreadable(self.name, error) from error
        with file:
            yield stream_of_file(self.name, file)


@dataclass(frozen=True)
class OpenStream:
    """Something that the caller opened, and closes. It is read once.

    Attributes:
        name: What messages call it.
        stream: Its bytes.
    """

    name: str
    stream: ByteStream

    @contextmanager
    def open(self) -> Iterator[ByteStream]:
        """Return the stream, which stays open.

        Raises:
            ExportFileError: The caller has closed it before it was read.
        """
        if is_closed(self.stream.file):
            raise ExportFileError(self.name, CLOSED)
        yield self.stream


@dataclass(frozen=True)
class Objects:
    """Objects that are no text any more. They are iterated over once.

    Attributes:
        name: What messages call them.
        objects: An iterable of dicts.
    """

    name: str
    objects: Iterable[Mapping[str, Any]]


@contextmanager
def _named_if_unreadable(name: str) -> Iterator[None]:
    """Name what cannot be looked into."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ExportFileError):
            raise
        raise _unreadable(str(Path(error.filename or name)), error) from error


def _unreadable(name: str, error: OSError) -> ExportFileError:
    """Return the error for a file or folder that the system does not let us read."""
    return ExportFileError(
        name, f"cannot be read: {error.strerror or error}. Check what it is, and who may read it."
    )


Source = LocalFile | RemoteFile | OpenStream | Objects


def find_sources(data: Any, argument: str = "data") -> list[Source]:
    """Find out what to read.

    Args:
        data: A path, pattern, folder, URL, open file or response, an iterable of lines or of
            objects, or a list of paths and open files.
        argument: What the caller knows it as.

    Raises:
        ExportFileNotFoundError: There is no such file, or none at all.
        DatabaseFileError: One of them is a database that is open in this process.
        ExportFileError: An open file is closed already.
        TypeError: The argument is of another sort.
        RemoteFilesUnavailableError: A package that reads from this URL is missing.

    Example:
        >>> [source.name for source in find_sources(['{"event": "Tap"}', '{"event": "Tap"}'])]
        ['<list>']
    """
    require_readable(data, argument)
    if _is_one_source(data):
        sources = _sources_of(data)
    elif _is_list_or_lines(data):
        sources = _sources_in(data, argument)
    else:
        raise TypeError(f"{argument} is {_kind(data)}. Pass {_WANTED}.")
    for source in sources:
        if isinstance(source, LocalFile):
            require_no_database(source.path)
    return sources


def _kind(data: object) -> str:
    return "None" if data is None else f"a {type(data).__name__}"


def _is_one_source(data: object) -> bool:
    return isinstance(data, (str, os.PathLike)) or hasattr(data, "read") or is_response(data)


def _is_list_or_lines(data: object) -> bool:
    # A data frame iterates over the names of its columns.
    other = isinstance(data, (bytes, bytearray, Mapping)) or is_arrow(data)
    return isinstance(data, Iterable) and not other


def _sources_of(data: Any) -> list[Source]:
    """Return the sources of a path, a pattern, a folder, a URL, or something open."""
    if isinstance(data, os.PathLike):
        return list(_local(Path(data)))
    if isinstance(data, str):
        return _named(data)
    name = name_of(data)
    return [OpenStream(name, stream_of_file(name, data))]


def _sources_in(items: Iterable[Any], argument: str) -> list[Source]:
    """Return the sources of an iterable: of paths and files, or one of lines or objects."""
    if inspect.isgenerator(items) and inspect.getgeneratorstate(items) == inspect.GEN_CLOSED:
        raise ExportFileNotFoundError("<generator>", "it was used up already. Make a new one.")
    name = f"<{type(items).__name__}>"
    before: list[Any] = []
    rest = iter(items)
    for first in rest:
        before.append(first)
        if not _is_blank(first):
            break
    else:
        if isinstance(items, (list, tuple, set, frozenset)) or before:
            raise ExportFileNotFoundError(name, "no file, no line and no object is in it.")
        return [Objects(name, ())]
    everything = chain(before, rest)
    if isinstance(first, Mapping):
        return [Objects(name, everything)]
    if isinstance(first, bytes) or (isinstance(first, str) and _is_line(first)):
        return [OpenStream(name, stream_of_lines(name, everything))]
    found: list[Source] = []
    for item in everything:
        require_readable(item, f"a member of {argument}")
        if not _is_one_source(item):
            raise TypeError(f"{argument} holds {_kind(item)}. Pass {_WANTED}.")
        found += _sources_of(item)
    return found


def _is_blank(item: object) -> bool:
    return isinstance(item, (bytes, str)) and not item.strip()


def _is_line(item: str) -> bool:
    return item.endswith("\n") or (_JSON_BEGINS.match(item) is not None and not _exists(Path(item)))


def _named(name: str) -> list[Source]:
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise ValueError(f"{name!r} can be no path: it is not valid UTF-8.") from error
    if not name:
        raise ExportFileNotFoundError("''", "an empty text names no file.")
    if "\0" in name:
        raise ExportFileNotFoundError(repr(name), "no path has a NUL in it.")
    if _exists(Path(name)):
        return list(_local(Path(name)))
    if is_url(name):
        if (path := local_path_of(name)) is None:
            return [*find_remote_files(name)]
        name = path
    if _JSON_BEGINS.match(name):
        raise ExportFileNotFoundError(
            repr(name[:60]), "no such file. If this is data, give a list of lines."
        )
    if has_magic(name) and not _exists(Path(name)):
        return list(_matches(name))
    return list(_local(name))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or has a NUL in it
        return False


def _local(given: str | Path) -> Iterator[LocalFile]:
    """Yield a file, or the data files of a folder."""
    path = Path(given) if _exists(Path(given)) else expanded_if_known(given)
    if not _exists(path):
        raise ExportFileNotFoundError(str(given), "no such file. Check the path.")
    if not path.is_dir():
        yield LocalFile(str(path), path)
        return
    with _named_if_unreadable(str(path)):
        files = _data_files(path.iterdir())
    if not files:
        raise ExportFileNotFoundError(
            f"{path}", "no data file is in this folder. Those of its folders: '<folder>/**/*'."
        )
    for file in files:
        yield LocalFile(str(file), file)


def _matches(pattern: str) -> Iterator[LocalFile]:
    with _named_if_unreadable(pattern):
        files = _data_files(matches(str(expanded_if_known(pattern))))
    if not files:
        raise ExportFileNotFoundError(pattern, "no file matches this pattern. Check the path.")
    for path in files:
        yield LocalFile(str(path), path)


def _data_files(paths: Iterable[Path]) -> list[Path]:
    """Return the data files of paths, in order.

    The database that is loaded into may be among them: it is left out, unless it is all there is.
    """
    files = sorted(filter(_is_data_file, paths))
    for path in files:
        if not _exists(path):
            raise ExportFileNotFoundError(str(path), "is a link that leads to no file. Remove it.")
    opened = open_among(files)
    return [path for path in files if path not in opened] or files


def _is_data_file(path: Path) -> bool:
    return is_data_name(path.name) and not path.is_dir()
