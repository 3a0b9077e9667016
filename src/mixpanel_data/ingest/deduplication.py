"""Keep one row per key, in a few SQL statements, with or without an index.

Rows are staged in the order of the input, which DuckDB's ``rowid`` keeps. Discarded rows are
counted and logged. Most repeat the row that is kept; those that share its key but describe another
event are key collisions. They are counted apart, or kept under a key of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
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
    union_all,
    update,
)
from sqlalchemy.schema import CreateTable, DropTable

from mixpanel_data.dialect.sql.builtin import qualify_builtins
from mixpanel_data.dialect.sql.derived import DERIVES_OPTION
from mixpanel_data.exceptions import DuplicateRecordError, KeyCollisionError
from mixpanel_data.ingest.duplicate_counts import DuplicateCounts, identity_of
from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.schema.row_positions import ROWID, position_of

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


def deduplicate(connection: Connection, staging: Table, options: LoadOptions) -> DuplicateCounts:
    """Make keys unique among the staged rows, and between these and the rows of the table.

    The order of the two steps makes sure that a discarded row is compared with the row that is
    kept. The arguments are those of the steps.
    """
    existing = _conflicts_with(staging, options.table, options.key)
    collisions = _settle_collisions(connection, staging, options.table, options, existing)
    if options.on_conflict == "error":
        repeated = _conflicts_within(staging, options.key)
        _settle_collisions(connection, staging, staging, options, repeated)
        return _resolve(connection, staging, options.table, options, union_all(repeated, existing))
    steps = [discard_repeated, discard_existing]
    if options.on_conflict == "ignore":
        steps.reverse()
    first, second = (step(connection, staging, options) for step in steps)
    return collisions + first + second


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
    repeated = _conflicts_within(staging, options.key)
    collisions = _settle_collisions(connection, staging, staging, options, repeated)
    is_last_kept = options.on_conflict == "replace"
    conflicts = _conflicts_within(staging, options.key, is_last_kept=is_last_kept)
    return collisions + _resolve(connection, staging, staging, options, conflicts)


def _conflicts_within(staging: Table, key_name: str, *, is_last_kept: bool = False) -> Select[Any]:
    """Select the staged rows whose key an earlier one has, or a later one.

    Numbers of 64 bits in the place of the keys take a fraction of the memory to group, and DuckDB
    groups them within a low memory limit. Of keys with equal hashes, the window tells them apart.
    """
    key = staging.c[key_name]
    key_hash = _BUILTIN.hash(key)
    repeated = select(key_hash).group_by(key_hash).having(_BUILTIN.count_star() > 1)
    kept_first = ROWID.desc() if is_last_kept else ROWID.asc()
    kept = _BUILTIN.first_value(ROWID).over(partition_by=key, order_by=kept_first)
    ranked = (
        select(ROWID.label("staged"), kept.label("other"), key.label("key"))
        .where(key_hash.in_(repeated))
        .subquery()
    )
    return select(ranked).where(ranked.c.staged != ranked.c.other)


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
    conflicts = _conflicts_with(staging, options.table, options.key)
    return _resolve(connection, staging, options.table, options, conflicts)


def _conflicts_with(staging: Table, others: Table, key: str) -> Select[Any]:
    """Select the staged rows whose key a row of another table has."""
    staged, other = staging.alias("staged"), others.alias("other")
    # Reads nothing but the keys of the rows in the table.
    columns: list[ColumnElement[Any]] = [_rowid_of("staged"), _rowid_of("other"), staged.c[key]]
    return select(*columns).join_from(staged, other, staged.c[key] == other.c[key])


def _rowid_of(alias: str) -> ColumnElement[int]:
    return literal_column(f"{alias}.rowid", BigInteger)


def _resolve(
    connection: Connection,
    staging: Table,
    others: Table,
    options: LoadOptions,
    conflicts: Select[Any] | CompoundSelect[Any],
) -> DuplicateCounts:
    """Delete one row of each conflict between staged and other rows, or raise for the first."""
    found = _CONFLICTS.c
    with _found(connection, conflicts) as is_any:
        if not is_any:
            return DuplicateCounts()
        count = connection.scalars(select(_BUILTIN.count(distinct(found.staged)))).one()
        if options.on_conflict == "error":
            first = select(found.staged, found.key).order_by(found.staged).limit(1)
            rowid, value = connection.execute(first).one()
            index = position_of(connection, staging, rowid)
            raise DuplicateRecordError(index, options.key, value)
        collisions, example = _count_key_collisions(connection, staging, others)
        if collisions and options.on_collision == "error":
            first = _collisions(staging, others, found.staged, found.key)
            rowid, value = connection.execute(first.order_by(found.staged).limit(1)).one()
            index = position_of(connection, staging, rowid)
            raise KeyCollisionError(index, options.key, value)
        if others is not staging and options.on_conflict == "replace":
            discarded = DuplicateCounts(count, replaced=count)
            to_discard = delete(others).where(others.c[options.key].in_(select(found.key)))
        else:
            discarded = DuplicateCounts(count, collisions=collisions, example=example)
            to_discard = delete(staging).where(ROWID.in_(select(found.staged)))
        connection.execute(to_discard)
        return discarded


def _count_key_collisions(
    connection: Connection, staging: Table, others: Table
) -> tuple[int, str | None]:
    """Return how many rows in conflict describe another event, and the key of one of them."""
    found = _CONFLICTS.c
    counted = _BUILTIN.count(distinct(found.staged)), _BUILTIN.min(found.key)
    count, example = connection.execute(_collisions(staging, others, *counted)).one()
    return count, example


@contextmanager
def _found(connection: Connection, conflicts: Select[Any] | CompoundSelect[Any]) -> Iterator[bool]:
    """Keep the conflicts in a temporary table for the block, and tell whether there are any."""
    connection.execute(CreateTable(_CONFLICTS))
    rows = insert(_CONFLICTS).from_select(_CONFLICTS.c.keys(), conflicts)
    yield connection.execute(rows).rowcount > 0
    connection.execute(DropTable(_CONFLICTS))


def _collisions(staging: Table, others: Table, *columns: ColumnElement[Any]) -> Select[Any]:
    """Select columns of the conflicts whose rows describe different events."""
    staged, other, found = staging.alias("staged"), others.alias("other"), _CONFLICTS.c
    differs = [staged.c[name].is_distinct_from(other.c[name]) for name in identity_of(staging)]
    return (
        select(*columns)
        .select_from(_CONFLICTS)
        .join(staged, _rowid_of("staged") == found.staged)
        .join(other, _rowid_of("other") == found.other)
        .where(or_(false(), *differs))
    )


#: The key of an event whose own one another event has: made of all that tells it from others.
_OWN_KEY = qualify_builtins("""
    substr(sha256(CAST(to_json(list_value(
        event_name, CAST(epoch_us(event_time) AS VARCHAR), distinct_id, insert_id
    )) AS VARCHAR)), 1, 32)
""")

# Where the properties have no such member, it is put before the last bracket.
_WITH_GIVEN_KEY = qualify_builtins("""
    CASE WHEN json_exists(properties, '$."$insert_id"')
        THEN json_merge_patch(properties, json_object('$insert_id', insert_id))
    ELSE concat(
        substr(CAST(properties AS VARCHAR), 1, subtract(length(CAST(properties AS VARCHAR)), 1)),
        CASE WHEN CAST(properties AS VARCHAR) = '{}' THEN '' ELSE ',' END,
        '"$insert_id":', CAST(to_json(insert_id) AS VARCHAR), '}'
    ) END
""")


def _settle_collisions(
    connection: Connection,
    staging: Table,
    others: Table,
    options: LoadOptions,
    conflicts: Select[Any],
) -> DuplicateCounts:
    """Settle staged rows that describe another event than the first row of their key.

    Either they get keys of their own: the key that was given stays in the properties, and the new
    one depends on nothing but the row, so whichever row of a key comes first, loading all of them
    again finds each one. Or they are discarded before rows of the same event replace each other.

    Returns:
        What was discarded.
    """
    is_kept = options.on_collision == "keep"
    is_dropped = options.on_collision == "drop" and options.on_conflict == "replace"
    if not identity_of(staging) or not (is_kept or is_dropped):
        return DuplicateCounts()
    with _found(connection, conflicts) as is_any:
        if not is_any:
            return DuplicateCounts()
        is_one = ROWID.in_(_collisions(staging, others, _CONFLICTS.c.staged))
        if is_kept:
            own = {
                "insert_id": literal_column(_OWN_KEY),
                "properties": literal_column(_WITH_GIVEN_KEY, JSON),
            }
            changed = update(staging).where(is_one).values(own)
            # The caller derives the columns of these rows.
            connection.execute(changed.execution_options(**{DERIVES_OPTION: True}))
            return DuplicateCounts()
        count, example = _count_key_collisions(connection, staging, others)
        connection.execute(delete(staging).where(is_one))
        return DuplicateCounts(count, collisions=count, example=example)
