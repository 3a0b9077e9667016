"""SQL whose functions are DuckDB's own, whatever macros there are in the database.

A macro hides the function of its name, ``count`` and ``duckdb_tables`` included, and also the
operators and literals that are functions beneath, such as ``||``, ``+``, ``LIKE``, ``[1]`` and a
row as a value. So SQL of ours names its functions in full, and does without those operators.
"""

from __future__ import annotations

import re

#: Where DuckDB keeps its own functions. Nobody else can put something there.
BUILTIN = "system.main."

# Keywords that are followed by a parenthesis are written in capitals.
_CALL = re.compile(r"(?<![\w.])([a-z_]\w*)(?=\()")


def builtin(sql: str) -> str:
    """Name the functions of a statement in full.

    Args:
        sql: A statement of ours: functions in small letters, and no text or name in it that looks
            like a call.

    Example:
        >>> builtin("SELECT count(a) FROM range(3) WHERE a IN (1, 2)")
        'SELECT system.main.count(a) FROM system.main.range(3) WHERE a IN (1, 2)'
    """
    return _CALL.sub(rf"{BUILTIN}\1", sql)
