"""One row per key, set-wise, with or without an index.

Rows land in a table of their own in the order of the input, which DuckDB's ``rowid`` keeps. What is
dropped is counted and logged, and rows that share a key but tell of different events are told
apart from mere repetitions.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    Table,
    delete,
    distinct,
    false,
    func,
    literal_column,
    or_,
    select,
)

from mixpanel_data.exceptions import DuplicateRecordError
from mixpanel_data.tables import IDENTITY, key_of
from mixpanel_data.types import OnConflict

logger = logging.getLogger("mixpanel_data")

_ROWID = literal_column("rowid", BigInteger)


def drop_repeated(
    connection: Connection, landing: Table, table: Table, on_conflict: OnConflict
) -> int:
    """Leave one row per key in a table that has just been filled.

    Args:
        connection: Connection with a transaction open.
        landing: The filled table; rows are deleted from it.
        table: Declaration of the table that the rows are for.
        on_conflict: ``"ignore"`` keeps the first row of a key, ``"replace"`` the last.

    Returns:
        The number of rows deleted.

    Raises:
        DuplicateRecordError: A key occurs twice and ``on_conflict`` is ``"error"``.
    """
    key = landing.c[key_of(table).name]
    keys, rows = connection.execute(select(func.count(distinct(key)), func.count())).one()
    if rows == keys:
        return 0
    window: dict[str, Any] = {
        "partition_by": key,
        "order_by": _ROWID.desc() if on_conflict == "replace" else _ROWID.asc(),
    }
    differs = [
        landing.c[name].is_distinct_from(func.first_value(landing.c[name]).over(**window))
        for name in _identity(table)
    ]
    ranked = (
        select(
            _ROWID.label("position"),
            key.label("key"),
            func.row_number().over(**window).label("rank"),
            or_(false(), *differs).label("differs"),
        )
        .where(key.in_(select(key).group_by(key).having(func.count() > 1)))
        .subquery()
    )
    surplus = select(ranked.c.position, ranked.c.key).where(ranked.c.rank > 1)
    if on_conflict == "error":
        _refuse_first(connection, landing, table, surplus.order_by(ranked.c.position))
    _report(connection, table, int(rows - keys), surplus.where(ranked.c.differs))
    connection.execute(
        delete(landing).where(_ROWID.in_(surplus.with_only_columns(ranked.c.position)))
    )
    return int(rows - keys)


def settle_with_existing(
    connection: Connection, landing: Table, table: Table, on_conflict: OnConflict
) -> int:
    """Make sure that no landed row has the key of a row in the table.

    Args:
        connection: Connection with a transaction open.
        landing: The landed rows, one per key.
        table: The table they are for.
        on_conflict: ``"ignore"`` deletes the landed row, ``"replace"`` the one in the table.

    Returns:
        The number of rows deleted, here or there.

    Raises:
        DuplicateRecordError: A key is taken and ``on_conflict`` is ``"error"``.
    """
    landed, existing = landing.c[key_of(table).name], key_of(table)
    taken = landed.in_(select(existing))
    count = connection.scalar(select(func.count()).select_from(landing).where(taken)) or 0
    if count == 0:
        return 0
    if on_conflict == "error":
        rows = select(_ROWID.label("position"), landed.label("key")).where(taken).order_by(_ROWID)
        _refuse_first(connection, landing, table, rows)
    differs = [landing.c[name].is_distinct_from(table.c[name]) for name in _identity(table)]
    both = select(landed.label("key")).join_from(landing, table, landed == existing)
    _report(connection, table, count, both.where(or_(false(), *differs)))
    if on_conflict == "ignore":
        connection.execute(delete(landing).where(taken))
    else:
        connection.execute(delete(table).where(existing.in_(select(landed))))
    return count


def _identity(table: Table) -> list[str]:
    return [column.name for column in table.columns if column.info == IDENTITY]


def _refuse_first(connection: Connection, landing: Table, table: Table, rows: Select[Any]) -> None:
    """Raise for the first of some rows, which are pairs of rowid and key."""
    position, key = connection.execute(rows.limit(1)).one()
    start = connection.scalar(select(func.min(_ROWID)).select_from(landing))
    raise DuplicateRecordError(position - start, key_of(table).name, key)


def _report(connection: Connection, table: Table, count: int, collisions: Select[Any]) -> None:
    logger.info("%s: %d rows had a key that occurs already.", table.name, count)
    if not _identity(table):
        return
    found = collisions.subquery()
    colliding, example = connection.execute(
        select(func.count(), func.min(found.c.key)).select_from(found)
    ).one()
    if colliding:
        logger.warning(
            "%s: %d of the rows dropped for their %s differ from the row kept in %s, such as %r. "
            "They are not duplicates: check where their ids come from.",
            table.name,
            colliding,
            key_of(table).name,
            " or ".join(_identity(table)),
            example,
        )
