"""Run a statement for many rows as one statement over an Arrow batch.

DuckDB's ``executemany`` runs the statement once per row. Here ``VALUES ($1, $2)`` becomes
``SELECT "0.0", "1.0" FROM`` a batch whose columns have the types that DuckDB gives to the single
values, and ``UPDATE … SET a = $1 WHERE id = $2`` becomes ``UPDATE … FROM`` the batch. The rows run
one by one if a parameter is inside an expression, if a value has no exact Arrow type or is for
a union, or if one row may depend on another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from duckdb import DuckDBPyConnection

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.bulk.arrays import Part, encode
from mixpanel_data.dialect.bulk.statement_parser import (
    Cell,
    Insert,
    Update,
    name_of,
    parse,
    table_name,
)
from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.names import fold

if TYPE_CHECKING:
    import pyarrow as pa

#: Fewer rows are not worth the fixed costs of a batch.
LEAST_ROWS = 8

_KEYS = qualify_builtins("""
SELECT constraint_column_names, referenced_table FROM duckdb_constraints()
WHERE lower(table_name) = lower($1) AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
""")
_INDEXES = qualify_builtins("""
SELECT count(*) FROM duckdb_indexes() WHERE is_unique AND lower(table_name) = lower($1)
""")
_COUNT = qualify_builtins("count(")


class Bulk(NamedTuple):
    """A statement over a batch.

    Attributes:
        statement: The statement.
        name: The name of the batch in it.
        batch: The rows.
        condition: A query that tells whether the statement may run; None if it always may.
    """

    statement: str
    name: str
    batch: pa.RecordBatchReader | pa.Table
    condition: str | None = None


class _Target(NamedTuple):
    """What is known of a table.

    Attributes:
        keys: The columns of each key, and the table that it refers to.
        types: The types of the columns that were asked for, in order.
    """

    keys: Sequence[tuple[list[str], str | None]]
    types: Sequence[str]

    @property
    def has_union(self) -> bool:
        """Whether a value of these columns is a union, or has one in it.

        A union tells its members by the type of each value, and NULL of a type is a member, too.
        """
        return any("UNION(" in kind for kind in self.types)


def prepare(driver: DuckDBPyConnection, statement: str, rows: Sequence[Any]) -> Bulk | None:
    """Return one statement for all rows, or None if they have to run one by one.

    Args:
        driver: Connection to the database, to look up keys and column types.
        statement: Any statement.
        rows: The parameters.
    """
    parsed = parse(statement) if len(rows) >= LEAST_ROWS else None
    columns = None if parsed is None else _columns(parsed.cells, rows)
    if parsed is None or columns is None:
        return None
    if isinstance(parsed, Update):
        return _update(driver, parsed, columns)
    return _insert(driver, parsed, columns)


def _columns(cells: Sequence[Cell], rows: Sequence[Any]) -> list[list[Part]] | None:
    width = len({cell.parameter for cell in cells} - {None})
    if not {tuple, list}.issuperset(map(type, rows)) or {*map(len, rows)} != {width}:
        return None
    columns = []
    for position in range(width):  # zip(*rows) would make an iterator for every row
        parts = encode(tuple(map(itemgetter(position), rows)))
        if parts is None:
            return None
        columns.append(parts)
    return columns if any(columns) else None


def _insert(driver: DuckDBPyConnection, insert: Insert, columns: list[list[Part]]) -> Bulk | None:
    """Insert from a batch, unless rows refer to or update each other.

    DuckDB checks foreign keys against the rows of earlier statements only, and does not update a
    row twice in one statement.
    """
    import pyarrow as pa

    table = _target(driver, insert.table, insert.columns)
    if table.has_union or any(
        fold(referred) == fold(table_name(insert.table)) for _, referred in table.keys if referred
    ):
        return None
    if insert.changed and not _is_free(driver, insert.table, insert.changed, table.keys):
        return None
    targets: Sequence[str | None] = [None] * len(insert.cells)
    if insert.keys or any(len(parts) > 1 for parts in columns):
        # COALESCE would cast values of several types to a common type.
        targets = table.types
        if len(targets) != len(insert.cells):
            return None
    name, batch = _batch(columns)
    values = [
        _expression(cell, columns, target)
        for cell, target in zip(insert.cells, targets, strict=True)
    ]
    statement = " ".join([insert.head, "SELECT", ", ".join(values), "FROM", name, insert.tail])
    if not insert.keys:
        # One batch: DuckDB scans several in parallel, and a sequence would count out of order.
        return Bulk(statement, name, pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    by_name = dict(zip(insert.columns, values, strict=False))
    if not by_name.keys() >= {*insert.keys}:
        return None
    distinct = ", ".join(by_name[key] for key in insert.keys)
    condition = (
        f"SELECT {_COUNT}*) = {batch.num_rows} FROM (SELECT DISTINCT {distinct} FROM {name})"  # noqa: S608 (names are ours)
    )
    return Bulk(statement, name, pa.Table.from_batches([batch]), condition)


def _update(driver: DuckDBPyConnection, update: Update, columns: list[list[Part]]) -> Bulk | None:
    """Update from a batch, unless rows depend on or update each other."""
    import pyarrow as pa

    changed = frozenset(map(name_of, update.changed))
    if changed & {*map(name_of, update.matched)} or any(len(parts) > 1 for parts in columns):
        return None
    named = map(name_of, [*update.changed, *update.matched])
    table = _target(driver, update.table, named)
    if table.has_union or not _is_free(driver, update.table, changed, table.keys):
        return None
    name, batch = _batch(columns)
    values = [_expression(cell, columns, None) for cell in update.cells]
    pairs = [
        f"{column} = {value}"
        for column, value in zip([*update.changed, *update.matched], values, strict=True)
    ]
    assigned = ", ".join(pairs[: len(update.changed)])
    matching = " AND ".join(pairs[len(update.changed) :])
    return Bulk(
        f"UPDATE {update.table} SET {assigned} FROM {name} WHERE {matching}",  # noqa: S608
        name,
        pa.Table.from_batches([batch]),
        f"SELECT {_COUNT}*) = {_COUNT}DISTINCT rowid) FROM {update.table}, {name} WHERE {matching}",  # noqa: S608
    )


def _target(driver: DuckDBPyConnection, table: str, names: Iterable[str]) -> _Target:
    """Look up a table and some of its columns, all without names."""
    columns = ", ".join(quoted(name, '"') for name in names) or "*"
    keys = driver.execute(_KEYS, [table_name(table)]).fetchall()
    # A relation is bound and not run, which takes a third of the time of a query without rows.
    relation = driver.sql(" ".join(["SELECT", columns, "FROM", table]))
    return _Target(keys, [*map(str, relation.types)])


def _is_free(
    driver: DuckDBPyConnection,
    table: str,
    changed: frozenset[str],
    constraints: Sequence[tuple[list[str], str | None]],
) -> bool:
    """Tell whether columns are in no key and no index is unique, so that rows are independent."""
    keyed = {fold(column) for columns, _ in constraints for column in columns}
    indexes = driver.execute(_INDEXES, [table_name(table)]).fetchall()
    return not changed & keyed and indexes == [(0,)]


def _batch(columns: list[list[Part]]) -> tuple[str, pa.RecordBatch]:
    """Return a unique name, and the values."""
    import pyarrow as pa

    return f"_batch_{uuid4().hex}", pa.record_batch(
        {
            f"{position}.{number}": part.array
            for position, parts in enumerate(columns)
            for number, part in enumerate(parts)
        }
    )


def _expression(cell: Cell, columns: list[list[Part]], target: str | None) -> str:
    """Return the SQL of a cell over the columns of the batch."""
    if cell.parameter is None:
        return cell.before
    values = []
    for number, part in enumerate(columns[cell.parameter]):
        value = f'"{cell.parameter}.{number}"'
        value = f"CAST({value} AS {part.cast})" if part.cast else value
        value = f"{cell.before}{value}{cell.after}"
        values.append(f"CAST({value} AS {target})" if target else value)
    if not values:
        return f"{cell.before}NULL{cell.after}"
    return values[0] if len(values) == 1 else f"COALESCE({', '.join(values)})"
