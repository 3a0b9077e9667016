"""CSV is no export that can be read as it is: its columns have no types. Its rows can."""

from __future__ import annotations

import re
from pathlib import PurePath

from mixpanel_data.exceptions import ExportFileError

_KNOWN = {"event", "event_name", "distinct_id", "$distinct_id"}
_SEPARATOR = re.compile(r"[,;\t]")

# Empty cells are NaN, which equals nothing, not even itself.
_ADVICE = (
    "rows = pandas.read_csv({path!r}{options}).to_dict('records')\n"
    "data = ({{{id!r}: row.pop({id_column!r}), {rest!r}: "
    "{{k: v for k, v in row.items() if v == v}}}} for row in rows)"
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
    columns = [column.strip().strip('"') for column in header.split(separators[0])]
    known = [column for column in columns if column in _KNOWN]
    if not known:
        _refuse_by_name(name, columns)
        return
    is_event = any(column.startswith("event") for column in known)
    advice = _ADVICE.format(
        path=name,
        options="" if separators[0] == "," else f", sep={separators[0]!r}",
        id="event" if is_event else "$distinct_id",
        id_column=next(column for column in known if column.startswith("event") == is_event),
        rest="properties" if is_event else "$properties",
    )
    raise ExportFileError(
        name, f"this is CSV, which is not read. Load its rows instead, as data:\n{advice}"
    )


def _refuse_by_name(name: str, columns: list[str]) -> None:
    if {".csv", ".tsv"} & {suffix.lower() for suffix in PurePath(name).suffixes[-2:]}:
        raise ExportFileError(
            name,
            "this is CSV, which is not read, and none of its columns is that of an export: "
            f"{', '.join(columns)[:100]}. Make records of its rows, or look what it is.",
        )
