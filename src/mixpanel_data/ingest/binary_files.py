"""Binary files have no lines: they are refused as a whole, whatever happens to bad lines."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection

from mixpanel_data.exceptions import ExportFileError

_ROWS = "load its rows with create_events_table() or create_profiles_table()"
_LOOK = "Look whether it is the file that you mean"

#: How known formats begin, what they are, and what to do. Where text could begin so, too, a NUL has
#: to follow.
_KNOWN = (
    (
        rb".{8}DUCK",
        "a DuckDB database",
        "Open it with StorageEngine(); copy_table() copies its tables",
    ),
    (rb"SQLite format 3\0", "a SQLite database", "Write its rows as lines of JSON or as Parquet"),
    (
        rb"ARROW1\0\0|FEA1.*\0",
        "an Arrow file",
        f"Read it with pyarrow.feather.read_table(), and {_ROWS}",
    ),
    (
        rb"\xff{4}.{2}\0\0",
        "a stream of Arrow",
        f"Read it with pyarrow.ipc.open_stream(), and {_ROWS}",
    ),
    (rb"ORC.*\0", "an ORC file", f"Read it with pyarrow.orc.read_table(), and {_ROWS}"),
    (rb"Obj\x01", "an Avro file", f"Read it with a package such as fastavro, and {_ROWS}"),
    (rb"PARE.*\0", "an encrypted Parquet file", "Write it without encryption"),
    (rb"\x80[\x02-\x05]", "a pickle", f"Read it with pandas.read_pickle(), and {_ROWS}"),
    (rb"\x93NUMPY", "an array of NumPy", f"Make records of it, and {_ROWS}"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", f"Read it with pandas.read_hdf(), and {_ROWS}"),
    (
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old document of Office",
        f"Read a sheet with pandas.read_excel(), and {_ROWS}",
    ),
    (rb"%PDF-", "a PDF", _LOOK),
    (
        rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|BM.{4}\0{4}",
        "an image",
        _LOOK,
    ),
    (rb"\x7fELF|MZ.*\0|\xcf\xfa\xed\xfe", "a program", _LOOK),
)
_BEGINNINGS = [(re.compile(magic, re.DOTALL), what, advice) for magic, what, advice in _KNOWN]

#: Members that tell documents from archives of data: both are zip files.
_MEMBERS = {
    "[Content_Types].xml": "a document of Office",
    "mimetype": "a document, such as one of LibreOffice",
    "META-INF/MANIFEST.MF": "a program in Java",
}
_SHEET = f"If it has a sheet, read that with pandas.read_excel(), and {_ROWS}"

#: How a document of JSON begins, at the beginning of a line. Random bytes hardly ever do so.
_HAS_JSON = re.compile(rb'(?:\A|\n)\s*(?:\[\s*)?(?:\{\s*["}]|\[\s*\])')

#: UTF-16 and UTF-32 have a NUL among so many bytes. They are text, which can be converted.
_WIDE = 4
_BYTE_ORDER = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def refuse_binary(name: str, start: bytes) -> None:
    """Raise if data are of a binary format, or no text at all.

    Args:
        name: What messages call the data.
        start: How they begin.

    Raises:
        ExportFileError: They are.

    Example:
        >>> refuse_binary("day.jsonl", b'{"event": "Tap"}')
    """
    for magic, what, advice in _BEGINNINGS:
        if magic.match(start):
            raise _refusal(name, what, advice)
    is_wide = start.startswith(_BYTE_ORDER) or b"\0" in start[:_WIDE]
    if b"\0" in start and not is_wide and not _HAS_JSON.search(start):
        advice = "Lines and arrays of JSON are read, and Parquet, plain or compressed"
        raise _refusal(name, "a binary file of some other kind", f"{_LOOK}. {advice}")


def refuse_document(name: str, members: Collection[str]) -> None:
    """Raise for a zip file that is no archive of data, but a document.

    Args:
        name: What messages call the file.
        members: The names of its members.

    Raises:
        ExportFileError: It is a document.
    """
    what = next((what for member, what in _MEMBERS.items() if member in members), None)
    if what is not None:
        raise _refusal(name, what, _SHEET)


def _refusal(name: str, what: str, advice: str) -> ExportFileError:
    return ExportFileError(name, f"this is {what}, and has no lines. {advice}.")
