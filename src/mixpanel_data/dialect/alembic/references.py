"""Foreign keys that refer to a table, which keep it from being recreated or renamed."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.engine import Inspector
from sqlalchemy.exc import InvalidRequestError

from mixpanel_data.dialect.sql.names import fold


def referring_tables(inspector: Inspector, schema: str | None = None) -> dict[str, list[str]]:
    """Return the tables with foreign keys, by the folded name of the table they refer to.

    In DuckDB a key stays inside one schema. A table that refers to itself is among its own.
    """
    found: dict[str, list[str]] = {}
    for (_, name), keys in inspector.get_multi_foreign_keys(schema=schema).items():
        for referred in {fold(key["referred_table"]) for key in keys}:
            found.setdefault(referred, []).append(name)
    return {referred: sorted(names) for referred, names in found.items()}


def require_unreferred(
    name: str, referring: Collection[str], verb: str, reason: str | None = None
) -> None:
    """Refuse what DuckDB does not do, or does wrongly, to a table that foreign keys refer to.

    Args:
        name: The table.
        referring: The tables whose keys refer to it.
        verb: What cannot be done to it, as a participle.
        reason: Why that is necessary.

    Raises:
        InvalidRequestError: There are such tables.
    """
    others = [other for other in referring if fold(other) != fold(name)]
    why = f" ({reason})" if reason else ""
    if others:
        raise InvalidRequestError(
            f"Table {name!r} cannot be {verb} while foreign keys of {', '.join(others)} refer to "
            f"it{why}. Drop these tables, or recreate them without the foreign key: an engine with "
            "?foreign_keys=off leaves it out."
        )
    if referring:
        raise InvalidRequestError(
            f"Table {name!r} cannot be {verb} while a foreign key of its own refers to it{why}: "
            "DuckDB finds no row that the same INSERT copies. Copy the rows to a table without "
            "the foreign key."
        )
