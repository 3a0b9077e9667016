"""Equal constants of a statement share one parameter.

SQLAlchemy makes a parameter of every constant. So in ``SELECT date_trunc($1, at) … GROUP BY
date_trunc($2, at)`` DuckDB sees two expressions, and refuses the first as it is not grouped by. A
statement that SQLAlchemy has cached runs with other constants, too, so what is equal is decided by
the values, each time it runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from mixpanel_data.dialect.sql.lexer import TokenReader

#: Where DuckDB compares expressions.
_COMPARES = re.compile(r"\bBY\b|\bDISTINCT\s+ON\b", re.IGNORECASE)

#: Values of one of these types with the same ``repr()`` are the same to DuckDB.
_PLAIN = {bool, bytes, date, datetime, Decimal, float, int, str, time, timedelta, UUID}


def share_equal(statement: str, parameters: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return a statement in which equal parameters have one number, and its parameters.

    Example:
        >>> share_equal("SELECT a + $1 FROM t GROUP BY a + $2", (1, 1))
        ('SELECT a + $1 FROM t GROUP BY a + $1', [1])
    """
    if len(parameters) < 2 or (pieces := _pieces(statement)) is None:
        return statement, parameters
    numbers: dict[Any, int] = {}
    shared = [
        numbers.setdefault(_same(place, v), len(numbers)) for place, v in enumerate(parameters)
    ]
    if len(numbers) == len(parameters):
        return statement, parameters
    values = dict(zip(reversed(shared), reversed(parameters), strict=True))
    text = "".join(piece if isinstance(piece, str) else f"${shared[piece] + 1}" for piece in pieces)
    return text, [values[number] for number in range(len(numbers))]


def _same(place: int, value: Any) -> Any:
    """Return what only the same values have in common."""
    kind = type(value)
    return (kind, repr(value)) if kind in _PLAIN else place


@lru_cache(maxsize=256)
def _pieces(statement: str) -> list[str | int] | None:
    """Return the text between the parameters and their places, None where nothing can be shared."""
    reader = TokenReader.of(statement) if _COMPARES.search(statement) else None
    if reader is None:
        return None
    pieces: list[str | int] = []
    end = 0
    for token in reader.rest():
        if token.is_parameter:
            if token.text == "?":
                return None
            pieces += [statement[end : token.start], int(token.text[1:]) - 1]
            end = token.end
    return [*pieces, statement[end:]]
