"""Documents that are no JSON, though DuckDB let them land: found set-wise.

DuckDB's parser also reads NaN and Infinity, in any case; what it cannot read lands as NULL.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    String,
    Table,
    and_,
    cast,
    func,
    literal_column,
    or_,
    select,
)

from mixpanel_data import values
from mixpanel_data.exceptions import RecordError

_ROWID = literal_column("rowid", BigInteger)

# As a value; the same within a string is told apart by reading the document.
_NO_NUMBER = r"[:\[,]\s*[-+]?(?:[nN][aA][nN]|[iI][nN][fF])"


def refuse_bad_documents(connection: Connection, landing: Table) -> None:
    """Raise for the first landed row whose document is no JSON object.

    Args:
        connection: Connection with a transaction open.
        landing: The landed rows, in the order of the input.

    Raises:
        RecordError: A document is missing, no object, malformed, or holds NaN or Infinity.
    """
    (column,) = (column for column in landing.columns if isinstance(column.type, JSON))
    text = cast(column, String)
    # Two quick searches spare nearly all rows the slow one.
    maybe = or_(text.ilike("%nan%"), text.ilike("%inf%"))
    doubtful = and_(maybe, func.regexp_matches(text, _NO_NUMBER))
    rows = select(_ROWID, text).where(or_(column.is_(None), doubtful)).order_by(_ROWID)
    for position, document in connection.execute(rows):
        if document is None or not _is_json(document):
            start = connection.scalar(select(func.min(_ROWID)).select_from(landing))
            problem = "is no JSON object, or holds NaN or Infinity."
            raise RecordError(position - (start or 0), column.name, problem)


def _is_json(document: str) -> bool:
    try:
        values.parse_json(document.encode())
    except ValueError:
        return False
    return True
