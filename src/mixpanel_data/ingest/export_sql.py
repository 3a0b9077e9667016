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


#: Tells the sequences of names of the properties apart.
_NAMES = "hash(json_keys(properties))"

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
        ordinary="""
            starts_with(event::VARCHAR, '"')
            AND regexp_full_match(time::VARCHAR, '[0-9]{1,{time_digits}}')
            AND starts_with(distinct_id::VARCHAR, '"')
            AND starts_with(insert_id::VARCHAR, '"') AND insert_id::VARCHAR <> '""'
            AND starts_with(properties::VARCHAR, '{')
            AND strlen(document) = strlen('{"event":,"properties":}')
                + strlen(event) + strlen(properties)
            AND strlen(properties) - strlen(rest) = strlen('"time":"distinct_id":"$insert_id":')
                + strlen(time) + strlen(distinct_id) + strlen(insert_id)
                + if(rest = '{}', 2, 3)
        """,
        columns={
            "event_name": "event->>'$'",
            "event_time": "make_timestamp(CAST(time::VARCHAR AS BIGINT) * {time_factor})",
            "distinct_id": "distinct_id->>'$'",
            "insert_id": "insert_id->>'$'",
            "properties": "rest",
            "names": _NAMES,
            "time_digits": "strlen(time::VARCHAR)",
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
            "names": _NAMES,
        },
    ),
}

# Events have less than 1 MB. The default of 16 MB makes the buffer of every thread too large.
_FILES = """
    SELECT json FROM read_ndjson_objects(
        getvariable('{variable}'), compression = '{compression}', maximum_object_size = 2000000)
"""

# DuckDB 1.5 crashes over deeply nested JSON. A line must be long for that, so that counting the
# brackets of the others would be a waste of time.
_MAY_BE_TOO_DEEP = (
    "strlen(line) > 50000 "
    "AND strlen(line) - strlen(replace(replace(line, '[', ''), '{', '')) "
    f"> {MAX_DEPTH}"
)

# DuckDB's JSON parser accepts trailing commas, NaN and Infinity.
_IS_STRICT_JSON = r"""
    NOT regexp_matches(line, ',\s*[}\]]')
    AND NOT contains(rest, 'NaN')
    AND NOT contains(rest, 'Infinity')
"""

_QUERY = """
    WITH lines AS ({files}),
    safe AS (
        SELECT json::VARCHAR AS line, if({may_be_too_deep}, NULL, json) AS json FROM lines
    ),
    extracted AS (
        SELECT line, json_extract(json, [{paths}]) AS members FROM safe
    ),
    named AS (
        SELECT line, {members}, json_merge_patch(properties, '{without_promoted}')::VARCHAR AS rest
        FROM extracted
    ),
    converted AS (
        SELECT line,
            CASE WHEN {ordinary} AND {is_strict_json} THEN struct_pack({cells}) END AS cells
        FROM named
    )
    SELECT {columns}, if(cells IS NULL, line, NULL) AS line FROM converted
"""


#: The most digits of a time of each unit. More of them are years after 5138, which are left to the
#: reader in Python.
UNIT_DIGITS: dict[NumberUnit, int] = {"s": 11, "ms": 14, "us": 17}

#: By how much the number of a time is multiplied, where its size tells the unit.
_FACTOR = (
    f"CASE WHEN strlen(time::VARCHAR) <= {UNIT_DIGITS['s']} THEN {MICROSECONDS['s']} "
    f"WHEN strlen(time::VARCHAR) <= {UNIT_DIGITS['ms']} THEN {MICROSECONDS['ms']} ELSE 1 END"
)


def paths_variable(group: int) -> str:
    """Return the name of the SQL variable that holds the paths of a group of files."""
    return f"paths_{group}"


def export_query(kind: TableType, compressions: Sequence[str], time_unit: TimeUnit) -> str:
    """Return a query for the columns of a table and ``line``, NULL where SQL has made a row of it.

    There is also ``names``, a hash of the names of the properties, and of events ``time_digits``:
    how many digits their time has in the file.

    Args:
        kind: What the lines are.
        time_unit: Unit of the times of events.
        compressions: Compression of each group of files; see :func:`paths_variable`.
    """
    line_format = _FORMATS[kind]
    if time_unit == "auto":
        digits, factor = UNIT_DIGITS["us"], _FACTOR
    else:
        digits, factor = UNIT_DIGITS[time_unit], str(MICROSECONDS[time_unit])
    columns = {name: cell.format(time_factor=factor) for name, cell in line_format.columns.items()}
    return _QUERY.format(
        files=" UNION ALL ".join(
            _FILES.format(variable=paths_variable(group), compression=compression)
            for group, compression in enumerate(compressions)
        ),
        may_be_too_deep=_MAY_BE_TOO_DEEP,
        paths=", ".join(f"'{path}'" for path in line_format.members.values()),
        members=", ".join(
            f"members[{position}] AS {name}"
            for position, name in enumerate(line_format.members, start=1)
        ),
        without_promoted=json.dumps(dict.fromkeys(line_format.promoted)),
        ordinary=line_format.ordinary.replace("{time_digits}", str(digits)),
        is_strict_json=_IS_STRICT_JSON,
        cells=", ".join(f"{name} := {cell}" for name, cell in columns.items()),
        columns=", ".join(f"cells.{name}" for name in columns),
    )
