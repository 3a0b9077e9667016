"""Keep one row per key, in a few SQL statements, with or without an index.

Rows are staged in the order of the input, which DuckDB's ``rowid`` keeps. Discarded rows are
counted and logged. Most repeat the row that is kept; those that share its key but describe another
event are key collisions, and are counted apart.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Delete,
    MetaData,
    Select,
    String,
    Table,
    delete,
    distinct,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy.schema import CreateTable, DropTable

from mixpanel_data.exceptions import DuplicateRecordError
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.ingest.row_positions import ROWID, position_of
from mixpanel_data.schema.tables import IDENTITY

logger = logging.getLogger("mixpanel_data")

#: DuckDB's built-in functions, even where the user has a macro of the same name.
_BUILTIN = func.system.main

#: Staged rows whose key another row has: the ``rowid`` of both, and the key. Finding them takes
#: nearly all the time of deduplication, so it is done once.
_CONFLICTS = Table(
    "_conflicts",
    MetaData(),
    Column("staged", BigInteger),
    Column("other", BigInteger),
    Column("key", String),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class DuplicateCounts:
    """How many rows were discarded because another row has their key.

    Attributes:
        rows: All of them.
        collisions: Those that differ from the row that was kept, so that they are no duplicates.
        example: The key of one of the collisions.
    """

    rows: int = 0
    collisions: int = 0
    example: str | None = None

    def __add__(self, other: DuplicateCounts) -> DuplicateCounts:
        """Return the sum of both."""
        return DuplicateCounts(
            self.rows + other.rows,
            self.collisions + other.collisions,
            self.example or other.example,
        )


def deduplicate(connection: Connection, staging: Table, options: LoadOptions) -> DuplicateCounts:
    """Make keys unique among the staged rows, and between these and the rows of the table.

    The order of the two steps makes sure that a discarded row is compared with the row that is
    kept. The arguments are those of the steps.
    """
    steps = [discard_repeated, discard_existing]
    if options.on_conflict == "ignore":
        steps.reverse()
    first, second = (step(connection, staging, options) for step in steps)
    return first + second


def discard_repeated(
    connection: Connection, staging: Table, options: LoadOptions
) -> DuplicateCounts:
    """Keep one staged row per key: the first, or the last where conflicts replace.

    Args:
        connection: Connection with a transaction open.
        staging: The staged rows.
        options: Options of the load.

    Raises:
        DuplicateRecordError: A key occurs twice, and conflicts are errors.
    """
    key = staging.c[options.key]
    keys, rows = connection.execute(
        select(_BUILTIN.count(distinct(key)), _BUILTIN.count_star())
    ).one()
    if rows == keys:
        return DuplicateCounts()
    kept_first = ROWID.desc() if options.on_conflict == "replace" else ROWID.asc()
    kept = _BUILTIN.first_value(ROWID).over(partition_by=key, order_by=kept_first)
    ranked = (
        select(ROWID.label("staged"), kept.label("other"), key.label("key"))
        .where(key.in_(select(key).group_by(key).having(_BUILTIN.count_star() > 1)))
        .subquery()
    )
    conflicts = select(ranked).where(ranked.c.staged != ranked.c.other)
    return _resolve(connection, staging, staging, options, conflicts)


def discard_existing(
    connection: Connection, staging: Table, options: LoadOptions
) -> DuplicateCounts:
    """Resolve conflicts between staged rows and rows that are in the table already.

    Deletes the staged row, or the one in the table where conflicts replace. In the latter case the
    staged rows must have unique keys.

    Args:
        connection: Connection with a transaction open.
        staging: The staged rows.
        options: Options of the load.

    Raises:
        DuplicateRecordError: A staged row has the key of a row in the table, and conflicts are
            errors.
    """
    key = options.key
    staged, other = staging.alias("staged"), options.table.alias("other")
    # Reads nothing but the keys of the rows in the table.
    columns: list[ColumnElement[Any]] = [_rowid_of("staged"), _rowid_of("other"), staged.c[key]]
    conflicts = select(*columns).join_from(staged, other, staged.c[key] == other.c[key])
    return _resolve(connection, staging, options.table, options, conflicts)


def _rowid_of(alias: str) -> ColumnElement[int]:
    return literal_column(f"{alias}.rowid", BigInteger)


def _resolve(
    connection: Connection,
    staging: Table,
    others: Table,
    options: LoadOptions,
    conflicts: Select[Any],
) -> DuplicateCounts:
    """Delete one row of each conflict between staged and other rows, or raise for the first."""
    found = _CONFLICTS.c
    connection.execute(CreateTable(_CONFLICTS))
    connection.execute(insert(_CONFLICTS).from_select(found.keys(), conflicts))
    discarded = DuplicateCounts()
    if count := connection.scalar(select(_BUILTIN.count(distinct(found.staged)))):
        if options.on_conflict == "error":
            first = select(found.staged, found.key).order_by(found.staged).limit(1)
            rowid, value = connection.execute(first).one()
            index = position_of(connection, staging, rowid)
            raise DuplicateRecordError(index, options.key, value)
        discarded = DuplicateCounts(count, *_count_key_collisions(connection, staging, others))
        connection.execute(_rows_to_discard(staging, others, options))
    connection.execute(DropTable(_CONFLICTS))
    return discarded


def _rows_to_discard(staging: Table, others: Table, options: LoadOptions) -> Delete:
    if others is not staging and options.on_conflict == "replace":
        return delete(others).where(others.c[options.key].in_(select(_CONFLICTS.c.key)))
    return delete(staging).where(ROWID.in_(select(_CONFLICTS.c.staged)))


def _count_key_collisions(
    connection: Connection, staging: Table, others: Table
) -> tuple[int, str | None]:
    """Return how many rows in conflict describe another event, and the key of one of them."""
    staged, other, found = staging.alias("staged"), others.alias("other"), _CONFLICTS.c
    differs = [staged.c[name].is_distinct_from(other.c[name]) for name in _identity(staging)]
    pairs = (
        select(_BUILTIN.count(distinct(found.staged)), _BUILTIN.min(found.key))
        .join_from(_CONFLICTS, staged, _rowid_of("staged") == found.staged)
        .join(other, _rowid_of("other") == found.other)
        .where(or_(false(), *differs))
    )
    count, example = connection.execute(pairs).one()
    return count, example


def _identity(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.info == IDENTITY]


def log_duplicates(options: LoadOptions, discarded: DuplicateCounts) -> None:
    """Log what was discarded; key collisions as a warning, because they lose data."""
    name = options.name
    if discarded.rows:
        logger.info("%s: %d rows had a key that occurs already.", name, discarded.rows)
    if discarded.collisions:
        logger.warning(
            "%s: %d of the rows dropped for their %s differ from the row kept in %s, such as %r. "
            "They are not duplicates: check where their ids come from.",
            name,
            discarded.collisions,
            options.key,
            " or ".join(_identity(options.table)),
            discarded.example,
        )
