"""SQL that calls DuckDB's built-in functions even if the database has macros of the same names.

A macro hides the function of its name, such as ``count`` and ``duckdb_tables``, and with it the
operators and literals that call the function, such as ``||``, ``+``, ``LIKE``, ``[1]`` and a row
value. So the library's SQL qualifies its functions and avoids those operators.
"""

from __future__ import annotations

import re

#: The schema of DuckDB's built-in functions. Users cannot create anything in it.
BUILTIN = "system.main."

# Strings and quoted names, to be left alone, and calls. Keywords before a parenthesis, such as IN,
# are in capitals.
_CALL = re.compile(r"""'[^']*'|"[^"]*"|(?<![\w.])([a-z_]\w*)(?=\()""")


def qualify_builtins(sql: str) -> str:
    """Qualify the functions of a statement.

    Args:
        sql: A statement of the library, with functions in lower case.

    Example:
        >>> qualify_builtins("SELECT count(a) FROM range(3) WHERE a IN (1, 2)")
        'SELECT system.main.count(a) FROM system.main.range(3) WHERE a IN (1, 2)'
    """
    return _CALL.sub(lambda found: (BUILTIN if found[1] else "") + found[0], sql)
