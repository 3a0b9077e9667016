"""One row per key, set-wise, with or without an index.

Rows land in a table of their own in the order of the input, which DuckDB's ``rowid`` keeps. What is
dropped is counted and logged, and rows that share a key but tell of different events are told
apart from mere repetitions.
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
from mixpanel_data.schema.tables import IDENTITY, key_of
from mixpanel_data.types import OnConflict

logger = logging.getLogger("mixpanel_data")

#: DuckDB's own functions, which a macro of the same name does not hide.
_OWN = func.system.main

_ROWID = literal_column("rowid", BigInteger)

#: Landed rows whose key another row has: where the two are, and the key. To find them takes nearly
#: all the time, so it is done once.
_CONFLICTS = Table(
    "_conflicts",
    MetaData(),
    Column("position", BigInteger),
    Column("other", BigInteger),
    Column("key", String),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True)
class DuplicateCounts:
    """What happened to rows whose key occurred already.

    Attributes:
        rows: How many were dropped.
        colliding: How many of them were no duplicates of the row that was kept.
        example: The key of one of these.
    """

    rows: int = 0
    colliding: int = 0
    example: str | None = None

    def __add__(self, other: DuplicateCounts) -> DuplicateCounts:
        """Return both together."""
        return DuplicateCounts(
            self.rows + other.rows,
            self.colliding + other.colliding,
            self.example or other.example,
        )


def make_unique(
    connection: Connection, landing: Table, table: Table, on_conflict: OnConflict
) -> DuplicateCounts:
    """Leave landed rows of which none has the key of another one or of a row in the table.

    The arguments are those of :func:`drop_repeated` and :func:`settle_with_existing`, which take
    turns so that every row is compared with the one that is kept.
    """
    steps = [drop_repeated, settle_with_existing]
    if on_conflict == "ignore":
        steps.reverse()
    first, second = (step(connection, landing, table, on_conflict) for step in steps)
    return first + second


def drop_repeated(
    connection: Connection, landing: Table, table: Table, on_conflict: OnConflict
) -> DuplicateCounts:
    """Leave one row per key in a table that has just been filled.

    Args:
        connection: Connection with a transaction open.
        landing: The filled table; rows are deleted from it.
        table: Declaration of the table that the rows are for.
        on_conflict: ``"ignore"`` keeps the first row of a key, ``"replace"`` the last.

    Raises:
        DuplicateRecordError: A key occurs twice and ``on_conflict`` is ``"error"``.
    """
    key = landing.c[key_of(table).name]
    keys, rows = connection.execute(select(_OWN.count(distinct(key)), _OWN.count_star())).one()
    if rows == keys:
        return DuplicateCounts()
    kept_first = _ROWID.desc() if on_conflict == "replace" else _ROWID.asc()
    kept = _OWN.first_value(_ROWID).over(partition_by=key, order_by=kept_first)
    ranked = (
        select(_ROWID.label("position"), kept.label("other"), key.label("key"))
        .where(key.in_(select(key).group_by(key).having(_OWN.count_star() > 1)))
        .subquery()
    )
    surplus = select(ranked).where(ranked.c.position != ranked.c.other)
    return _settle(
        connection, landing, landing, key.name, on_conflict, surplus, _rows_to_discard(landing)
    )


def settle_with_existing(
    connection: Connection, landing: Table, table: Table, on_conflict: OnConflict
) -> DuplicateCounts:
    """Make sure that no landed row has the key of a row in the table.

    Args:
        connection: Connection with a transaction open.
        landing: The landed rows; one per key where they replace others.
        table: The table they are for.
        on_conflict: ``"ignore"`` deletes the landed row, ``"replace"`` the one in the table.

    Raises:
        DuplicateRecordError: A key is taken and ``on_conflict`` is ``"error"``.
    """
    key = key_of(table).name
    landed, other = landing.alias("landed"), table.alias("other")
    # Of the rows that are there already, this reads the keys alone.
    columns: list[ColumnElement[Any]] = [_rowid_of("landed"), _rowid_of("other"), landed.c[key]]
    taken = select(*columns).join_from(landed, other, landed.c[key] == other.c[key])
    losing = _rows_to_discard(landing)
    if on_conflict == "replace":
        losing = delete(table).where(table.c[key].in_(select(_CONFLICTS.c.key)))
    return _settle(connection, landing, table, key, on_conflict, taken, losing)


def _rows_to_discard(landing: Table) -> Delete:
    return delete(landing).where(_ROWID.in_(select(_CONFLICTS.c.position)))


def _rowid_of(alias: str) -> ColumnElement[int]:
    return literal_column(f"{alias}.rowid", BigInteger)


def _settle(
    connection: Connection,
    landing: Table,
    kept: Table,
    key: str,
    on_conflict: OnConflict,
    conflicts: Select[Any],
    losing: Delete,
) -> DuplicateCounts:
    """Delete the rows that lose a conflict, or refuse the first of the conflicts."""
    found = _CONFLICTS.c
    connection.execute(CreateTable(_CONFLICTS))
    connection.execute(insert(_CONFLICTS).from_select(found.keys(), conflicts))
    dropped = DuplicateCounts()
    if count := connection.scalar(select(_OWN.count(distinct(found.position)))):
        if on_conflict == "error":
            first = select(found.position, found.key).order_by(found.position).limit(1)
            position, value = connection.execute(first).one()
            start = connection.scalar(select(_OWN.min(_ROWID)).select_from(landing))
            raise DuplicateRecordError(position - start, key, value)
        dropped = DuplicateCounts(count, *_count_key_collisions(connection, landing, kept))
        connection.execute(losing)
    connection.execute(DropTable(_CONFLICTS))
    return dropped


def _count_key_collisions(
    connection: Connection, landing: Table, kept: Table
) -> tuple[int, str | None]:
    """Return how many rows in conflict are other events than the rows that have their key."""
    landed, other, found = landing.alias("landed"), kept.alias("other"), _CONFLICTS.c
    differs = [landed.c[name].is_distinct_from(other.c[name]) for name in _identity(landing)]
    pairs = (
        select(_OWN.count(distinct(found.position)), _OWN.min(found.key))
        .join_from(_CONFLICTS, landed, _rowid_of("landed") == found.position)
        .join(other, _rowid_of("other") == found.other)
        .where(or_(false(), *differs))
    )
    count, example = connection.execute(pairs).one()
    return count, example


def _identity(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.info == IDENTITY]


def report(table: Table, dropped: DuplicateCounts) -> None:
    """Log what was dropped, as a warning where rows were lost that are no duplicates."""
    if dropped.rows:
        logger.info("%s: %d rows had a key that occurs already.", table.name, dropped.rows)
    if dropped.colliding:
        logger.warning(
            "%s: %d of the rows dropped for their %s differ from the row kept in %s, such as %r. "
            "They are not duplicates: check where their ids come from.",
            table.name,
            dropped.colliding,
            key_of(table).name,
            " or ".join(_identity(table)),
            dropped.example,
        )
