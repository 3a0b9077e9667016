"""Compressed streams become plain ones: told by content, streamed, never unpacked to disk.

gzip and bzip2 come from the standard library, zstd from pyarrow, because Python has it from 3.14 on
only. An archive in an archive (``day.jsonl.gz`` in a zip) is unpacked as well, a third level not.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest.binary_files import refuse_document
from mixpanel_data.ingest.byte_stream import CHUNK, ByteStream
from mixpanel_data.ingest.data_names import is_data_name
from mixpanel_data.ingest.given_files import unreadable_named

#: What an archive may become, in times its own size, where the caller sets no limit. Exports are
#: seldom packed to less than a fiftieth; gzip of nothing but zeros reaches 1,030, zstd 32,000.
MAX_RATIO = 1000

#: Up to this size the ratio does not matter: no harm is done yet, and tiny files have odd ratios.
ALWAYS_ALLOWED = 64 * 1024 * 1024

_LEVELS = 2

#: The flag of a member of a zip that has a password.
_ENCRYPTED = 1

#: Small steps: when pyarrow comes upon damage, what it has unpacked in this step is lost.
_ZSTD_STEP = 4096

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BZIP2, _ZIP = b"BZh", b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"

#: How formats begin that are not read, with what unpacks them.
_REFUSED = {
    b"\xfd7zXZ\x00": "an xz file. Unpack it with 'xz -d'",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive. Unpack it with '7z x'",
    b"Rar!\x1a\x07": "a RAR archive. Unpack it with 'unrar x'",
    b"\x04\x22\x4d\x18": "an lz4 file. Unpack it with 'lz4 -d'",
}
_TAR, _TAR_AT = b"ustar", 257

#: What unpacking damaged data raises, beside ``OSError`` without a number.
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, pa.ArrowException)

#: What opening a damaged zip raises as well: unknown versions and methods, a password, bad names.
_ZIP_DAMAGED = (NotImplementedError, RuntimeError, ValueError, OverflowError, struct.error)


def most_unpacked(packed: int, limit: int | None = None) -> int:
    """Return how many bytes an archive of a size may become.

    Args:
        packed: Its bytes.
        limit: What the caller allows, None for a thousand times its size, and 64 MiB in any case.
    """
    return max(ALWAYS_ALLOWED, MAX_RATIO * packed) if limit is None else limit


def decompressed(
    stream: ByteStream, *, max_decompressed_bytes: int | None = None
) -> Iterator[ByteStream]:
    """Yield the plain streams in a stream: itself, what it unpacks to, or the members of a zip.

    Each has to be read before the next one is asked for. Hidden members of a zip are left out.

    Args:
        stream: What may be compressed.
        max_decompressed_bytes: The most bytes that all of it may unpack to. Without it, a thousand
            times its own size, and 64 MiB in any case.

    Raises:
        ExportFileError: Also while a stream is read: the archive is damaged, ends early, has a
            password, is of a format that is not read, or unpacks to more than it may.
    """
    return _unpacked(stream, _Limit(stream, max_decompressed_bytes), _LEVELS)


def _unpacked(stream: ByteStream, limit: _Limit, levels: int) -> Iterator[ByteStream]:
    start = stream.peek(_TAR_AT + len(_TAR))
    refused = next((text for magic, text in _REFUSED.items() if start.startswith(magic)), None)
    if refused is None and start[_TAR_AT:] == _TAR:
        refused = "a tar archive. Unpack it with 'tar -x'"
    if refused is not None:
        raise ExportFileError(stream.name, f"this is {refused}, and load the files.")
    if start.startswith((_ZIP, _EMPTY_ZIP)):
        inner = _members(stream, limit)
    elif (opener := _opener_of(start)) is not None:
        inner = iter([_guarded(stream.name, opener(stream), limit)])
    else:
        yield stream
        return
    if not levels:
        raise ExportFileError(
            stream.name, f"is compressed more than {_LEVELS} times. Unpack it first."
        )
    for member in inner:
        yield from _unpacked(member, limit, levels - 1)


class _Limit:
    """Counts what comes out of an archive, and stops it when that is too much."""

    def __init__(self, archive: ByteStream, most: int | None) -> None:
        self._archive = archive
        self._most = most
        self._size = _size_of(archive)
        self._unpacked = 0

    def add(self, size: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            ExportFileError: These are too many.
        """
        self._unpacked += size
        # What was read is no measure of a file that can seek: members of a zip may overlap.
        packed = self._archive.taken if self._size is None else self._size
        most = most_unpacked(packed, self._most)
        if self._unpacked > most:
            raise ExportFileError(
                self._archive.name,
                f"unpacks to more than {most:,} bytes, as harmful archives do. Nothing more was "
                "read. If so much is expected, raise max_decompressed_bytes.",
                {"max_decompressed_bytes": most},
            )


def _size_of(archive: ByteStream) -> int | None:
    if archive.file is None:
        return None
    with unreadable_named(archive.name, archive.file):
        position = archive.file.tell()
        size: int = archive.file.seek(0, 2)
        archive.file.seek(position)
    return size


def _opener_of(start: bytes) -> Callable[[ByteStream], Callable[[int], bytes]] | None:
    if start.startswith(GZIP_MAGIC):
        return lambda stream: gzip.GzipFile(fileobj=stream).read1
    if start.startswith(_BZIP2) and start[3:4].isdigit():
        return lambda stream: bz2.BZ2File(stream).read1
    if start.startswith(ZSTD_MAGIC) or _is_skippable_zstd(start):
        return _open_zstd
    return None


def _is_skippable_zstd(start: bytes) -> bool:
    return start[1:4] == b"\x2a\x4d\x18" and start[:1] in b"\x50\x51\x52\x53\x54\x55\x56\x57"


def _open_zstd(stream: ByteStream) -> Callable[[int], bytes]:
    file = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")
    return lambda size: file.read(min(size, _ZSTD_STEP))


def _guarded(name: str, read: Callable[[int], bytes], limit: _Limit) -> ByteStream:
    """Return a stream of what is unpacked that counts it, and says what is wrong."""

    def read_guarded(size: int) -> bytes:
        with damage_named(name, "compressed file"):
            chunk = read(size)
        limit.add(len(chunk))
        return chunk

    return ByteStream(name, read_guarded)


def is_damage(error: ExportFileError) -> bool:
    """Tell whether the data of a file are damaged, from what was raised for it."""
    cause = error.__cause__
    return isinstance(cause, _DAMAGED) or type(cause) in (OSError, gzip.BadGzipFile)


@contextmanager
def damage_named(name: str, what: str) -> Iterator[None]:
    """Turn what readers of binary formats raise for damaged data into one error.

    Args:
        name: What messages call the file.
        what: What it is.

    Raises:
        ExportFileError: It is damaged.
    """
    try:
        yield
    except (*_DAMAGED, OSError) as error:
        # Errors of the operating system, of the network and our own have nothing to do with it.
        if isinstance(error, ExportFileError) or getattr(error, "errno", None) is not None:
            raise
        if isinstance(error, OSError) and type(error) not in (OSError, gzip.BadGzipFile):
            raise
        reason = str(error).rstrip(".")
        problem = f"the {what} ends early or is damaged: {reason}. Download it again."
        raise ExportFileError(name, problem) from error


def _members(stream: ByteStream, limit: _Limit) -> Iterator[ByteStream]:
    with _seekable(stream) as file:
        with _zip_named(stream.name):
            archive = zipfile.ZipFile(file)
            refuse_document(stream.name, archive.namelist())
            members = [member for member in archive.infolist() if _is_data(member)]
        if not members:
            raise ExportFileError(stream.name, "no data file is in this archive.")
        for member in members:
            name = f"{stream.name}/{member.filename}"
            if member.flag_bits & _ENCRYPTED:
                raise ExportFileError(name, "is encrypted. Unpack it first, with its password.")
            with _zip_named(name):
                opened = archive.open(member)
            with opened:
                yield _guarded(name, opened.read, limit)


@contextmanager
def _zip_named(name: str) -> Iterator[None]:
    """Name what cannot be opened: damage shows in many ways, and passwords look like it."""
    try:
        yield
    except (*_DAMAGED, *_ZIP_DAMAGED) as error:
        reason = str(error).rstrip(".")
        problem = f"cannot be unpacked here: {reason}. Download it again, or unpack it first."
        raise ExportFileError(name, problem) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # the archive points to before its own beginning
            raise
        raise ExportFileError(name, "the archive is damaged. Download it again.") from error


def _is_data(member: zipfile.ZipInfo) -> bool:
    *folders, name = member.filename.split("/")
    is_hidden = any(folder.startswith(".") for folder in folders)
    return not member.is_dir() and not is_hidden and is_data_name(name)


@contextmanager
def _seekable(stream: ByteStream) -> Iterator[Any]:
    """Give a file that can seek: the index of a zip is at its end."""
    if stream.file is not None:
        yield stream.file
        return
    # The packed bytes only. It has no name on disk, or one that only its user can read.
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, CHUNK)
        yield copy
