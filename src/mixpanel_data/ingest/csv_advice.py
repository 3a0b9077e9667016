"""CSV is no export that can be read as it is: its columns have no types. Its rows can."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from mixpanel_data.exceptions import ExportFileError

_KNOWN = {"event", "event_name", "distinct_id", "$distinct_id"}
_SEPARATOR = re.compile(r"[,;\t]")

# Cells stay texts, such as the id 007 and the name "NA"; what is empty or left out is none.
_ADVICE = (
    "rows = pandas.read_csv({file}{options}, keep_default_na=False).to_dict('records')\n"
    "data = ({{{id!r}: row.pop({id_column!r}), {rest!r}: "
    "{{k: v for k, v in row.items() if v == v != ''}}}} for row in rows)"
)


def refuse_csv(name: str, start: bytes) -> None:
    """Raise if a stream is CSV, with two lines of Python that make rows of it.

    Args:
        name: What messages call the stream.
        start: How it begins.

    Raises:
        ExportFileError: It is CSV with the columns of an export.
    """
    header = start.lstrip(b"\xef\xbb\xbf\r\n ").partition(b"\n")[0].decode("utf-8", "replace")
    separators = _SEPARATOR.findall(header)
    if header.startswith(("{", "[")) or not separators:
        return
    what, separator = "CSV", separators[0]
    if "\t" in separators and _has_ending(name, ".tsv"):
        what, separator = "TSV, that is, CSV with tabs", "\t"
    columns = [column.strip().strip('"') for column in header.split(separator)]
    known = [column for column in columns if column in _KNOWN]
    if not known:
        _refuse_by_name(name, what, columns)
        return
    is_event = any(column.startswith("event") for column in known)
    file, options = _opened(name)
    options += "" if separator == "," else f", sep={separator!r}"
    advice = _ADVICE.format(
        file=file,
        options=options + (", dtype=str" if is_event else ""),
        id="event" if is_event else "$distinct_id",
        id_column=next(column for column in known if column.startswith("event") == is_event),
        rest="properties" if is_event else "$properties",
    )
    raise ExportFileError(
        name, f"this is {what}, which is not read. Load its rows instead, as data:\n{advice}"
    )


def _opened(name: str) -> tuple[str, str]:
    """Return Python that gives pandas the file of a name, and the options that it needs.

    Of an open file nobody knows what the caller calls it.
    """
    if _is_file(name) or "://" in name:
        return repr(name), ""
    for slash in re.finditer("/", name):
        archive, member = name[: slash.start()], name[slash.end() :]
        if _is_file(archive):
            options = ", compression='gzip'" if member.lower().endswith(".gz") else ""
            return f"zipfile.ZipFile({archive!r}).open({member!r})", options
    return "file", ""


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # a name that is too long, or has a NUL in it
        return False


def _has_ending(name: str, *endings: str) -> bool:
    """Tell whether a name has an ending, or has it before that of an archive."""
    return not {*endings}.isdisjoint(suffix.lower() for suffix in PurePath(name).suffixes[-2:])


def _refuse_by_name(name: str, what: str, columns: list[str]) -> None:
    if _has_ending(name, ".csv", ".tsv"):
        raise ExportFileError(
            name,
            f"this is {what}, which is not read, and none of its columns is that of an export: "
            f"{', '.join(columns)[:100]}. Make records of its rows, or look what it is.",
        )
