"""Reject NaN and Infinity, which DuckDB's JSON parser accepts, and JSON that is nested too deep.

DuckDB reads NaN and Infinity in any case, and writes them. Few documents contain even the letters,
so a quick search for these avoids parsing nearly all documents.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Table, func, select

from mixpanel_data.common import json_documents
from mixpanel_data.common.json_depth import MAX_DEPTH, exceeds_depth
from mixpanel_data.dialect.sql.derived import DOCUMENT
from mixpanel_data.exceptions import RecordError
from mixpanel_data.ingest.string_buffers import string_data_and_offsets
from mixpanel_data.schema.row_positions import ROWID, position_of

#: Bytes that are searched at a time, few enough to stay in the processor's cache.
_BLOCK = 128 * 1024


def bad_number_at(documents: pa.Array) -> int | None:
    """Return the position of the first document that contains NaN or Infinity, None without one.

    Args:
        documents: Arrow array of JSON texts, structs or maps. A text that is invalid for another
            reason may be reported or not.

    Example:
        >>> bad_number_at(pa.array(['{"a": "NaN"}', '{"a": NaN}']))
        1
    """
    if not pa.types.is_nested(documents.type):
        for position in _suspects(documents):
            if not _is_json(documents[position].as_py()):
                return int(position)
    elif not _all_finite(documents):
        for position, document in enumerate(documents.to_pylist()):
            if not json_documents.all_finite(document):
                return position
    return None


def too_deep_at(documents: pa.Array) -> int | None:
    """Return the position of the first document that is nested too deeply, None without one.

    Args:
        documents: Arrow array of JSON texts.

    Example:
        >>> too_deep_at(pa.array(["{}", '{"a":' + 254 * "[" + 254 * "]" + "}"]))
        1
    """
    data, starts = string_data_and_offsets(documents)
    if np.diff(starts).max(initial=0) <= 2 * MAX_DEPTH:
        return None
    found = [np.zeros(0, np.intp)]
    for start in range(0, len(data), _BLOCK):
        # "[" and "{" differ only in this bit.
        opened = (data[start : start + _BLOCK] | np.uint8(0x20)) == ord("{")
        found.append(start + np.flatnonzero(opened))
    opened_before = np.searchsorted(np.concatenate(found), starts)
    for position in np.flatnonzero(np.diff(opened_before) > MAX_DEPTH):
        if exceeds_depth(bytes(data[starts[position] : starts[position + 1]])):
            return int(position)
    return None


def levels_of(kind: pa.DataType) -> int:
    """Return how deep the documents of an Arrow type are nested."""
    if pa.types.is_map(kind):
        return 1 + levels_of(kind.item_type)
    if pa.types.is_struct(kind):
        return 1 + max((levels_of(field.type) for field in kind), default=0)
    return 1 + levels_of(kind.value_type) if pa.types.is_nested(kind) else 0


def _suspects(documents: pa.StringArray) -> list[int]:
    """Return the positions of the documents that may have NaN or an infinity outside of texts."""
    data, starts = string_data_and_offsets(documents)
    found = [np.zeros(0, np.intp)]
    for start in range(0, len(data), _BLOCK):
        lower = data[start : start + _BLOCK + 2] | np.uint8(ord("a") - ord("A"))
        n = lower == ord("n")
        nan = n[:-2] & (lower[1:-1] == ord("a")) & n[2:]
        inf = (lower[:-2] == ord("i")) & n[1:-1] & (lower[2:] == ord("f"))
        found.append(start + np.flatnonzero(nan | inf))
    places = np.concatenate(found)
    positions = np.searchsorted(starts, places, side="right") - 1
    if len(places):
        positions = positions[~_are_in_texts(data, starts, places, positions)]
    return list(dict.fromkeys(positions.tolist()))


def _are_in_texts(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.intp],
    places: npt.NDArray[np.intp],
    positions: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Tell which places are in texts for sure: those after an odd number of quotes.

    Nothing is known of documents with a backslash, which may stand before a quote.
    """
    quotes, escapes = (np.flatnonzero(data == ord(mark)) for mark in ('"', "\\"))
    first, last = starts[positions], starts[positions + 1]
    before = np.searchsorted(quotes, places) - np.searchsorted(quotes, first)
    has_escape = np.searchsorted(escapes, last) > np.searchsorted(escapes, first)
    in_text: npt.NDArray[np.bool_] = (before % 2 == 1) & ~has_escape
    return in_text


def _is_json(document: str) -> bool:
    try:
        json_documents.parse_json(document.encode())
    except ValueError:
        return False
    return True


def _all_finite(cells: pa.Array) -> bool:
    if pa.types.is_floating(cells.type):
        return pc.all(pc.is_finite(cells)).as_py() is not False
    if pa.types.is_struct(cells.type):
        return all(map(_all_finite, cells.flatten()))
    if pa.types.is_map(cells.type):
        return _all_finite(cells.items)
    return not pa.types.is_nested(cells.type) or _all_finite(cells.flatten())


def refuse_missing_documents(
    connection: Connection, staging: Table, index_of: Callable[[int], int]
) -> None:
    """Raise for the first staged row whose document is NULL, because DuckDB could not convert it.

    Args:
        connection: Connection with a transaction open.
        staging: The staged rows.
        index_of: Returns the position in the input of the row at a position in the table.

    Raises:
        RecordError: A document is not a JSON object.
    """
    column = staging.c[DOCUMENT]
    rowid = connection.scalar(select(func.system.main.min(ROWID)).where(column.is_(None)))
    if rowid is not None:
        index = index_of(position_of(connection, staging, rowid))
        raise RecordError(index, column.name, "is not a JSON object.")
