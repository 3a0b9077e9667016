"""The SQL that reads export files: rows of ordinary lines, and all other lines as they are.

An ordinary line is one that SQL converts to exactly the row that
:mod:`mixpanel_data.ingest.export_reader` would make of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mixpanel_data.common.json_depth import MAX_DEPTH
from mixpanel_data.ingest.clock import MICROSECONDS
from mixpanel_data.ingest.shapes import Shape
from mixpanel_data.types import NumberUnit, TableType, TimeUnit


@dataclass(frozen=True)
class Form:
    """How the lines of a file are read.

    Attributes:
        compression: As DuckDB calls it.
        layout: As DuckDB calls it: lines, or an array.
        shape: The shape of ordinary lines.
    """

    compression: str
    layout: str
    shape: Shape


@dataclass(frozen=True)
class _Column:
    """How SQL reads a column of an ordinary line.

    Attributes:
        ordinary: Condition for what the line has there, JSON under the name of the column.
        cell: The value of the column.
    """

    ordinary: str
    cell: str


#: An integer whose digits are its text. Braces are doubled, as in all that is formatted below.
_ID = "-?[1-9][0-9]{{0,17}}|0"


def _text_or_number(name: str) -> _Column:
    return _Column(
        f"({name} IS NULL OR starts_with({name}::VARCHAR, '\"') "
        f"OR regexp_full_match({name}::VARCHAR, '{_ID}'))",
        f"coalesce({name}->>'$', '')",
    )


def _text(name: str) -> _Column:
    return _Column(f"starts_with({name}::VARCHAR, '\"')", f"{name}->>'$'")


#: The columns of each table in their order, and further ones. The names in braces depend on the
#: unit of times.
_COLUMNS: dict[TableType, dict[str, _Column]] = {
    "events": {
        "event_name": _text("event_name"),
        "event_time": _Column(
            "(regexp_full_match(event_time::VARCHAR, '[0-9]{{1,{most_digits}}}') "
            "OR {is_other_time})",
            "{event_time}",
        ),
        "distinct_id": _text_or_number("distinct_id"),
        "insert_id": _text_or_number("insert_id"),
        "properties": _Column("starts_with(properties::VARCHAR, '{{')", "document"),
        "time_digits": _Column("true", "{time_digits}"),
    },
    "profiles": {
        "distinct_id": _text("distinct_id"),
        "properties": _Column("starts_with(properties::VARCHAR, '{{')", "document"),
        "last_seen": _Column(
            r"(last_seen IS NULL OR regexp_full_match(last_seen::VARCHAR, "
            r"""'"[1-9]\d{{3}}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d"') """
            "AND TRY_CAST(last_seen->>'$' AS TIMESTAMP) IS NOT NULL)",
            "TRY_CAST(last_seen->>'$' AS TIMESTAMP)",
        ),
    },
}

# Events have less than 1 MB. The default of 16 MB makes the buffer of every thread too large.
_LINES = """
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

# DuckDB's JSON parser accepts trailing commas, which it does not write. It writes control
# characters with upper-case digits, as in \u001F, and other writers of JSON with lower-case ones.
_IS_STRICT_JSON = r"""
    (line = whole::VARCHAR OR NOT regexp_matches(line, ',\s*[}\]]'))
    AND NOT contains(document, '\u')
"""

# DuckDB takes the first of two members of the same name and Python the last. So lengths are
# compared to find out that there is only one: ``rest`` are the properties without those that become
# columns, and ``others`` the members of the line that are none of the shape's.
_GROUP = """
    SELECT {columns}, if(cells IS NULL, line, NULL) AS line, file FROM (
        SELECT line, file,
            CASE WHEN {ordinary} AND {is_strict_json} THEN struct_pack({cells}) END AS cells
        FROM (
            SELECT *, CASE WHEN others IS NULL THEN rest WHEN rest = '{{}}' THEN others
                ELSE concat(substr(rest, 1, length(rest) - 1), ',', substr(others, 2))
                END AS document
            FROM (
                SELECT *, CASE WHEN strlen(whole) <> {top} + 1
                    THEN json_merge_patch(whole, '{without_top}')::VARCHAR END AS others
                FROM (
                    SELECT line, file, {members}, {rest} AS rest
                    FROM (
                        SELECT line, file, json_extract(json, [{paths}]) AS members
                        FROM (
                            SELECT json::VARCHAR AS line, file,
                                if({may_be_too_deep}, NULL, json) AS json
                            FROM ({lines})
                        )
                    )
                )
            )
        )
    )
"""
_HAS_ALL_MEMBERS = """
    strlen(properties) - strlen(rest) = {moved} - if({moved} > 0 AND rest = '{{}}', 1, 0)
    AND (others IS NULL OR strlen(whole) = {top} + strlen(others)
        AND NOT list_has_any(json_keys(others), json_keys(properties)))
"""


#: The most digits of a time of each unit. More of them are years after 5138, which are left to the
#: reader in Python.
UNIT_DIGITS: dict[NumberUnit, int] = {"s": 11, "ms": 14, "us": 17}

#: An integer as a time, and how many digits it has.
_INTEGER_TIME = "make_timestamp(CAST(event_time::VARCHAR AS BIGINT) * {factor})"
_TIME_DIGITS = "strlen(event_time::VARCHAR)"
_FACTOR = (
    f"CASE WHEN {_TIME_DIGITS} <= {UNIT_DIGITS['s']} THEN {MICROSECONDS['s']} "
    f"WHEN {_TIME_DIGITS} <= {UNIT_DIGITS['ms']} THEN {MICROSECONDS['ms']} ELSE 1 END"
)

#: Seconds with up to six decimals, which are microseconds exactly; and ISO 8601 in UTC. DuckDB
#: ignores the offset of a TIMESTAMP.
_IS_FRACTION = r"regexp_full_match(event_time::VARCHAR, '[0-9]{1,10}\.[0-9]{1,6}')"
_FRACTION_TIME = (
    "make_timestamp(CAST(round(CAST(event_time::VARCHAR AS DOUBLE) * 1000000) AS BIGINT))"
)
_ISO_TIME = "TRY_CAST(event_time->>'$' AS TIMESTAMP)"
_IS_ISO = (
    r"""regexp_full_match(event_time::VARCHAR, '"[1-9]\d{3}-\d\d-\d\d[T ]"""
    r"""([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|\+00:00)?"') """
    f"AND {_ISO_TIME} IS NOT NULL"
)


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
    counted = f"WHEN {_IS_FRACTION} THEN 1 WHEN starts_with(event_time::VARCHAR, '\"') THEN NULL"
    return {
        "most_digits": str(digits),
        "is_other_time": " OR ".join(is_one for is_one, _ in others) or "false",
        "event_time": f"CASE {cases} ELSE {integer} END" if cases else integer,
        "time_digits": f"CASE {counted} ELSE {_TIME_DIGITS} END",
    }


def paths_variable(group: int) -> str:
    """Return the name of the SQL variable that holds the paths of a group of files."""
    return f"paths_{group}"


def export_query(
    groups: Sequence[Form],
    time_unit: TimeUnit,
    *,
    in_utc: bool,
    with_files: bool,
    are_derived: bool = False,
) -> str:
    """Return a query for the columns of a table and ``line``, NULL where SQL has made a row of it.

    There is also ``file``, the name of the file, and of events ``time_digits``: how many digits
    their time has in the file, NULL for text.

    Args:
        groups: The form of each group of files; see :func:`paths_variable`.
        time_unit: Unit of the times of events.
        in_utc: Whether text that names no time zone is in UTC.
        with_files: Whether the names of the files are needed; otherwise they are NULL.
        are_derived: Whether further members of records may be property columns of the table. Such
            lines are not ordinary.
    """
    times = _times(time_unit, in_utc=in_utc)
    file = "filename" if with_files else "NULL::VARCHAR"
    return " UNION ALL ".join(
        _group_query(form, paths_variable(number), times, file, are_derived=are_derived)
        for number, form in enumerate(groups)
    )


def _group_query(
    form: Form, variable: str, times: dict[str, str], file: str, *, are_derived: bool
) -> str:
    shape = form.shape
    columns = _COLUMNS[shape.kind]
    top = {shape.properties: "properties", **shape.top}
    moved = shape.moved
    paths = {column: _path(member) for member, column in top.items()}
    paths |= {column: _path(shape.properties, member) for member, column in moved.items()}
    paths["whole"] = "$"
    has_all = _HAS_ALL_MEMBERS.format(top=_length_of(top), moved=_length_of(moved))
    ordinary = [column.ordinary.format(**times) for column in columns.values()]
    more = ["others IS NULL"] if are_derived and shape.is_record else []
    cells = (f"{name} := {column.cell.format(**times)}" for name, column in columns.items())
    without_moved = f"json_merge_patch(properties, '{_without(moved)}')::VARCHAR"
    return _GROUP.format(
        columns=", ".join(f"cells.{name}" for name in columns),
        ordinary=" AND ".join([*ordinary, has_all, *more]),
        is_strict_json=_IS_STRICT_JSON,
        cells=", ".join(cells),
        top=_length_of(top),
        without_top=_without(top),
        members=", ".join(
            f"members[{position}] AS {name}" for position, name in enumerate(paths, start=1)
        ),
        rest=without_moved if moved else "properties::VARCHAR",
        paths=", ".join(f"'{path}'" for path in paths.values()),
        may_be_too_deep=_MAY_BE_TOO_DEEP,
        lines=_LINES.format(
            file=file, variable=variable, layout=form.layout, compression=form.compression
        ),
    )


def _path(*members: str) -> str:
    return "$" + "".join(f'."{member}"' for member in members)


def _without(members: Iterable[str]) -> str:
    return json.dumps(dict.fromkeys(members))


def _length_of(members: Mapping[str, str]) -> str:
    """Return SQL for the bytes that members take in an object, each with a comma.

    Args:
        members: The name in SQL of each member.
    """
    lengths = (
        f"if({column} IS NULL, 0, strlen('\"{member}\":,') + strlen({column}))"
        for member, column in members.items()
    )
    return f"({' + '.join(lengths)})" if members else "0"
