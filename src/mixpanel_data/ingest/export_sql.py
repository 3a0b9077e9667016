"""The SQL that reads export files: rows of ordinary lines, and all other lines as they are.

An ordinary line is one that SQL converts to exactly the row that
:mod:`mixpanel_data.ingest.export_reader` would make of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from mixpanel_data.common.json_depth import MAX_DEPTH
from mixpanel_data.ingest.clock import MICROSECONDS
from mixpanel_data.types import NumberUnit, TableType, TimeUnit


@dataclass(frozen=True)
class _LineFormat:
    """How SQL reads an ordinary line.

    Attributes:
        members: JSON path of each member of the line, by the name that the SQL below uses for it.
        promoted: Properties that become columns. ``rest`` is what is left of ``properties``.
        ordinary: Condition for an ordinary line. DuckDB takes the first of two members of the same
            name and Python the last, so lengths are compared to find out that there is only one.
        columns: SQL of each column of the table, for an ordinary line.
    """

    members: dict[str, str]
    promoted: list[str]
    ordinary: str
    columns: dict[str, str]


_FORMATS: dict[TableType, _LineFormat] = {
    "events": _LineFormat(
        members={
            "event": "$.event",
            "time": "$.properties.time",
            "distinct_id": "$.properties.distinct_id",
            "insert_id": '$.properties."$insert_id"',
            "properties": "$.properties",
            "document": "$",
        },
        promoted=["time", "distinct_id", "$insert_id"],
        ordinary=r"""
            starts_with(event::VARCHAR, '"')
            AND (regexp_full_match(time::VARCHAR, '[0-9]{1,{time_digits}}') OR {is_other_time})
            AND (distinct_id IS NULL OR starts_with(distinct_id::VARCHAR, '"')
                OR regexp_full_match(distinct_id::VARCHAR, '{id}'))
            AND (insert_id IS NULL OR starts_with(insert_id::VARCHAR, '"')
                OR regexp_full_match(insert_id::VARCHAR, '{id}'))
            AND starts_with(properties::VARCHAR, '{')
            AND strlen(document) = strlen('{"event":,"properties":}')
                + strlen(event) + strlen(properties)
            AND strlen(properties) - strlen(rest) = strlen('"time":') + strlen(time)
                + if(distinct_id IS NULL, 0, strlen('"distinct_id":,') + strlen(distinct_id))
                + if(insert_id IS NULL, 0, strlen('"$insert_id":,') + strlen(insert_id))
                + if(rest = '{}', 0, 1)
        """,
        columns={
            "event_name": "event->>'$'",
            "event_time": "{event_time}",
            "distinct_id": "coalesce(distinct_id->>'$', '')",
            "insert_id": "coalesce(insert_id->>'$', '')",
            "properties": "rest",
            "time_digits": "{time_digits}",
        },
    ),
    "profiles": _LineFormat(
        members={
            "distinct_id": '$."$distinct_id"',
            "last_seen": '$."$properties"."$last_seen"',
            "properties": '$."$properties"',
            "document": "$",
        },
        promoted=["$last_seen"],
        ordinary=r"""
            starts_with(distinct_id::VARCHAR, '"')
            AND starts_with(properties::VARCHAR, '{')
            AND (last_seen IS NULL OR regexp_full_match(last_seen::VARCHAR,
                '"[1-9]\d{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d"')
                AND TRY_CAST(last_seen->>'$' AS TIMESTAMP) IS NOT NULL)
            AND strlen(document) = strlen('{"$distinct_id":,"$properties":}')
                + strlen(distinct_id) + strlen(properties)
            AND strlen(properties) - strlen(rest) = if(last_seen IS NULL, 0,
                strlen('"$last_seen":') + strlen(last_seen) + if(rest = '{}', 0, 1))
        """,
        columns={
            "distinct_id": "distinct_id->>'$'",
            "properties": "rest",
            "last_seen": "TRY_CAST(last_seen->>'$' AS TIMESTAMP)",
        },
    ),
}

# Events have less than 1 MB. The default of 16 MB makes the buffer of every thread too large.
_FILES = """
    SELECT json, {file} AS file FROM read_json_objects(
        getvariable('{variable}'), format = '{layout}', compression = '{compression}',
        maximum_object_size = 2000000)
"""

# DuckDB 1.5 crashes over deeply nested JSON. A line must be long for that, so that counting the
# brackets of the others would be a waste of time.
_MAY_BE_TOO_DEEP = (
    "strlen(line) > 50000 "
    "AND strlen(line) - strlen(replace(replace(line, '[', ''), '{', '')) "
    f"> {MAX_DEPTH}"
)

# DuckDB's JSON parser accepts trailing commas, NaN and Infinity. It writes control characters with
# upper-case digits, as in \u001F, and every other writer of JSON with lower-case ones.
_IS_STRICT_JSON = r"""
    NOT regexp_matches(line, ',\s*[}\]]')
    AND NOT contains(rest, 'NaN')
    AND NOT contains(rest, 'Infinity')
    AND NOT contains(rest, '\u')
"""

_QUERY = """
    WITH lines AS ({files}),
    safe AS (
        SELECT json::VARCHAR AS line, file, if({may_be_too_deep}, NULL, json) AS json FROM lines
    ),
    extracted AS (
        SELECT line, file, json_extract(json, [{paths}]) AS members FROM safe
    ),
    named AS (
        SELECT line, file, {members},
            json_merge_patch(properties, '{without_promoted}')::VARCHAR AS rest
        FROM extracted
    ),
    converted AS (
        SELECT line, file,
            CASE WHEN {ordinary} AND {is_strict_json} THEN struct_pack({cells}) END AS cells
        FROM named
    )
    SELECT {columns}, if(cells IS NULL, line, NULL) AS line, file FROM converted
"""


#: The most digits of a time of each unit. More of them are years after 5138, which are left to the
#: reader in Python.
UNIT_DIGITS: dict[NumberUnit, int] = {"s": 11, "ms": 14, "us": 17}

#: An integer whose digits are its text.
_ID = "-?[1-9][0-9]{0,17}|0"

#: An integer as a time, and how many digits it has.
_INTEGER_TIME = "make_timestamp(CAST(time::VARCHAR AS BIGINT) * {factor})"
_TIME_DIGITS = "strlen(time::VARCHAR)"
_FACTOR = (
    f"CASE WHEN {_TIME_DIGITS} <= {UNIT_DIGITS['s']} THEN {MICROSECONDS['s']} "
    f"WHEN {_TIME_DIGITS} <= {UNIT_DIGITS['ms']} THEN {MICROSECONDS['ms']} ELSE 1 END"
)

#: Seconds with up to six decimals, which are microseconds exactly; and ISO 8601 in UTC.
_IS_FRACTION = r"regexp_full_match(time::VARCHAR, '[0-9]{1,10}\.[0-9]{1,6}')"
_FRACTION_TIME = "make_timestamp(CAST(round(CAST(time::VARCHAR AS DOUBLE) * 1000000) AS BIGINT))"
_IS_ISO = (
    r"""regexp_full_match(time::VARCHAR, '"[1-9]\d{3}-\d\d-\d\dT"""
    r"""([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ?"') """
    "AND TRY_CAST(substr(time->>'$', 1, 19) AS TIMESTAMP) IS NOT NULL"
)
_ISO_TIME = "TRY_CAST(substr(time->>'$', 1, 19) AS TIMESTAMP)"


def _times(unit: TimeUnit, *, in_utc: bool) -> dict[str, str]:
    """Return the SQL of the times of events, by the name of its place."""
    if unit == "auto":
        digits, factor = UNIT_DIGITS["us"], _FACTOR
    else:
        digits, factor = UNIT_DIGITS[unit], str(MICROSECONDS[unit])
    integer = _INTEGER_TIME.format(factor=factor)
    others = [(_IS_FRACTION, _FRACTION_TIME)] if unit in ("auto", "s") else []
    others += [(_IS_ISO, _ISO_TIME)] if in_utc else []
    cases = " ".join(f"WHEN {is_one} THEN {time}" for is_one, time in others)
    counted = f"WHEN {_IS_FRACTION} THEN 1 WHEN starts_with(time::VARCHAR, '\"') THEN NULL"
    return {
        "digits": str(digits),
        "is_other_time": " OR ".join(is_one for is_one, _ in others) or "false",
        "event_time": f"CASE {cases} ELSE {integer} END" if cases else integer,
        "time_digits": f"CASE {counted} ELSE {_TIME_DIGITS} END",
    }


def paths_variable(group: int) -> str:
    """Return the name of the SQL variable that holds the paths of a group of files."""
    return f"paths_{group}"


def export_query(
    kind: TableType,
    groups: Sequence[tuple[str, str]],
    time_unit: TimeUnit,
    *,
    in_utc: bool,
    with_files: bool,
) -> str:
    """Return a query for the columns of a table and ``line``, NULL where SQL has made a row of it.

    There is also ``file``, the name of the file, and of events ``time_digits``: how many digits
    their time has in the file, NULL for text.

    Args:
        kind: What the lines are.
        groups: Compression and layout of each group of files; see :func:`paths_variable`.
        time_unit: Unit of the times of events.
        in_utc: Whether text that names no time zone is in UTC.
        with_files: Whether the names of the files are needed; otherwise they are NULL.
    """
    line_format = _FORMATS[kind]
    times = _times(time_unit, in_utc=in_utc)
    ordinary = line_format.ordinary.replace("{time_digits}", times.pop("digits"))
    ordinary = ordinary.replace("{is_other_time}", times.pop("is_other_time")).replace("{id}", _ID)
    columns = {name: cell.format(**times) for name, cell in line_format.columns.items()}
    return _QUERY.format(
        files=" UNION ALL ".join(
            _FILES.format(
                variable=paths_variable(group),
                compression=compression,
                layout=layout,
                file="filename" if with_files else "NULL::VARCHAR",
            )
            for group, (compression, layout) in enumerate(groups)
        ),
        may_be_too_deep=_MAY_BE_TOO_DEEP,
        paths=", ".join(f"'{path}'" for path in line_format.members.values()),
        members=", ".join(
            f"members[{position}] AS {name}"
            for position, name in enumerate(line_format.members, start=1)
        ),
        without_promoted=json.dumps(dict.fromkeys(line_format.promoted)),
        ordinary=ordinary,
        is_strict_json=_IS_STRICT_JSON,
        cells=", ".join(f"{name} := {cell}" for name, cell in columns.items()),
        columns=", ".join(f"cells.{name}" for name in columns),
    )
