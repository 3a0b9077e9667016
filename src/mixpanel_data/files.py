"""Export files, read by DuckDB itself, in parallel.

SQL takes the lines that are as nearly all are. Every other line goes to the functions of
:mod:`mixpanel_data.exports`, which know the rules in full, and a file that DuckDB cannot read at
all goes to their reader. There is one set of rules, and a short cut for the common case.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from sqlalchemy import Connection, Table, func, select

from mixpanel_data import exports, values
from mixpanel_data.documents import refuse_bad_documents
from mixpanel_data.exceptions import DatabaseFileError, QueryError, RecordError
from mixpanel_data.exports import Record
from mixpanel_data.types import TableType

if TYPE_CHECKING:
    from mixpanel_data import dialect

ExportPaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

# A comma before a closing bracket is no JSON, but DuckDB's parser lets it pass.
_TRAILING_COMMA = r",\s*[}\]]"


@dataclass(frozen=True)
class _ShortCut:
    """How SQL reads the common case of a line.

    Attributes:
        members: JSON paths of what to take out of a line: ``m[1]``, ``m[2]``, ... as JSON.
        condition: What holds for them in the common case.
        columns: The columns of the table, made of them.
        convert: Makes the same columns of any line, or raises ``ValueError``.
    """

    members: list[str]
    condition: str
    columns: dict[str, str]
    convert: Callable[[bytes], Record]


_SHORT_CUTS: dict[TableType, _ShortCut] = {
    "events": _ShortCut(
        members=[
            "$.event",
            "$.properties.time",
            "$.properties.distinct_id",
            '$.properties."$insert_id"',
            "$.properties",
        ],
        condition="""starts_with(m[1]::VARCHAR, '"')
            AND regexp_full_match(m[2]::VARCHAR, '[0-9]{1,11}')
            AND starts_with(m[3]::VARCHAR, '"')
            AND starts_with(m[4]::VARCHAR, '"') AND m[4]::VARCHAR <> '""'
            AND starts_with(m[5]::VARCHAR, '{')""",
        columns={
            "event_name": "m[1]->>'$'",
            "event_time": "make_timestamp(CAST(m[2]::VARCHAR AS BIGINT) * 1000000)",
            "distinct_id": "m[3]->>'$'",
            "insert_id": "m[4]->>'$'",
            "properties": "json_merge_patch(m[5], "
            """'{"time": null, "distinct_id": null, "$insert_id": null}')::VARCHAR""",
        },
        convert=exports.event_of,
    ),
    "profiles": _ShortCut(
        members=['$."$distinct_id"', '$."$properties"."$last_seen"', '$."$properties"'],
        condition=r"""starts_with(m[1]::VARCHAR, '"') AND starts_with(m[3]::VARCHAR, '{')
            AND (m[2] IS NULL OR regexp_full_match(m[2]::VARCHAR,
                '"[1-9]\d{3}-\d\d-\d\dT([01]\d|2[0-3]):[0-5]\d:[0-5]\d"')
                AND TRY_CAST(m[2]->>'$' AS TIMESTAMP) IS NOT NULL)""",
        columns={
            "distinct_id": "m[1]->>'$'",
            "properties": """json_merge_patch(m[3], '{"$last_seen": null}')::VARCHAR""",
            "last_seen": "TRY_CAST(m[2]->>'$' AS TIMESTAMP)",
        },
        convert=exports.profile_of,
    ),
}


class NotForDuckDBError(Exception):
    """DuckDB cannot read the files. Their own reader may, or says what is wrong with them."""


@dataclass(frozen=True)
class ExportFiles:
    """Files of one kind of export.

    Attributes:
        kind: What the lines are.
        paths: The files, in the order in which they are read.
    """

    kind: TableType
    paths: list[Path]

    @classmethod
    def find(cls, kind: TableType, paths: ExportPaths) -> ExportFiles:
        """Find the files of a path, a pattern such as ``export-*.jsonl.gz``, or several of these.

        Raises:
            FileNotFoundError: A path or pattern names no file.
        """
        several = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        return cls(kind, [found for path in several for found in _matches(path)])

    def records(self) -> Iterator[Record]:
        """Iterate over the records of all files, in Python."""
        read = {"events": exports.read_events_export, "profiles": exports.read_profiles_export}
        return chain.from_iterable(map(read[self.kind], self.paths))

    def insert(
        self, connection: Connection, target: Table, progress: Callable[[int], object] | None
    ) -> int:
        """Insert the rows of all files with one statement, in the transaction of the connection.

        Args:
            connection: Connection with a transaction open. It commits nothing here.
            target: Table to insert into, empty.
            progress: Called once, with the number of rows.

        Returns:
            The number of rows.

        Raises:
            NotForDuckDBError: DuckDB cannot read the files; the transaction is to be rolled back.
        """
        short_cut = _SHORT_CUTS[self.kind]
        dbapi = cast("dialect.Connection", connection.connection.dbapi_connection)
        convert = f"_convert_{uuid4().hex}"
        kinds = ", ".join(f"{name} {_UDF_TYPES.get(name, 'VARCHAR')}" for name in short_cut.columns)
        dbapi.driver.create_function(
            convert, _row_maker(short_cut.convert), ["VARCHAR"], f"STRUCT({kinds})"
        )
        name = connection.dialect.identifier_preparer.format_table(target)
        groups = [
            (list(paths), compression) for compression, paths in groupby(self.paths, _compression)
        ]
        statement = f"INSERT INTO {name} {_select(short_cut, convert, len(groups))}"
        try:
            connection.exec_driver_sql(
                statement,
                tuple(
                    chain.from_iterable(
                        ([str(path) for path in paths], compression)
                        for paths, compression in groups
                    )
                ),
            )
            refuse_bad_documents(connection, target)
        except (QueryError, DatabaseFileError, RecordError) as error:
            raise NotForDuckDBError from error
        dbapi.driver.remove_function(convert)
        rows = connection.scalar(select(func.count()).select_from(target)) or 0
        if progress is not None and rows:
            progress(rows)
        return rows


_UDF_TYPES = {"event_time": "TIMESTAMP", "last_seen": "TIMESTAMP"}


def _matches(path: str | os.PathLike[str]) -> list[Path]:
    given = Path(path)
    if given.exists():
        return [given]
    folder = Path(given.anchor)
    found = sorted(folder.glob(str(given.relative_to(folder)))) if given.name else []
    if not found:
        raise FileNotFoundError(errno.ENOENT, "There is no such export file", str(given))
    return found


def _compression(path: Path) -> str:
    return "gzip" if exports.is_compressed(path) else "uncompressed"


def _row_maker(convert: Callable[[bytes], Record]) -> Callable[[str], Record]:
    """Make the function that DuckDB calls for the lines that SQL does not take."""

    def row_of(line: str) -> Record:
        row: dict[str, Any] = convert(line.encode())
        row["properties"] = values.document(row["properties"]).decode()
        for name in _UDF_TYPES.keys() & row.keys():
            row[name] = row[name] and row[name].replace(tzinfo=None)
        return row

    return row_of


def _select(short_cut: _ShortCut, convert: str, groups: int) -> str:
    """Write the query over the files; each group has two parameters, paths and compression."""
    starts = range(1, 2 * groups, 2)
    return _QUERY.format(
        files=" UNION ALL ".join(_FILES.format(first=n, second=n + 1) for n in starts),
        members=", ".join(f"'{path}'" for path in short_cut.members),
        condition=short_cut.condition,
        trailing_comma=_TRAILING_COMMA,
        made=", ".join(f"{name}: {value}" for name, value in short_cut.columns.items()),
        convert=convert,
        taken=", ".join(f"r.{name}" for name in short_cut.columns),
    )


# Events have less than 1 MB. The default of 16 MB takes too large a buffer for every thread.
_FILES = (
    "SELECT json FROM read_ndjson_objects("
    "${first}, compression = ${second}, maximum_object_size = 2000000)"
)

_QUERY = """
    WITH lines AS ({files}),
    taken_apart AS (
        SELECT json::VARCHAR AS line, json_extract(json, [{members}]) AS m FROM lines
    ),
    made AS (
        SELECT CASE
            WHEN {condition} AND NOT regexp_matches(line, '{trailing_comma}')
            THEN {{{made}}} ELSE {convert}(line) END AS r
        FROM taken_apart
    )
    SELECT {taken} FROM made
"""
