"""Positions of staged rows, by DuckDB's ``rowid``, which keeps the order of insertion."""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, Table, func, literal_column, select

ROWID = literal_column("rowid", BigInteger)


def position_of(connection: Connection, table: Table, rowid: int) -> int:
    """Return the position of a row among the rows of a table, from 0.

    The first ``rowid`` is not 0 while the transaction that inserted the rows is open.
    """
    first = connection.scalar(select(func.system.main.min(ROWID)).select_from(table))
    return rowid - (first or 0)
