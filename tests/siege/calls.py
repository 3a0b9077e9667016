"""Calls of every function with arguments that it does not expect."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.siege.grammar import called
from tests.siege.vocabulary import Function, vocabulary

#: An argument that fits, by the symbol of the grammar.
_PLAIN = {
    "lambda": "lambda x: x",
    "texts": "['a', 'b']",
    "map": "MAP {'a': 1}",
    "struct": "{'a': 1}",
    "json": "'{\"a\": [1]}'::JSON",
    "text": "'abc'",
    "bool": "true",
    "blob": "'abc'::BLOB",
    "date": "DATE '2025-01-31'",
    "timestamp": "TIMESTAMP '2025-01-31 12:30:00'",
    "time": "TIME '12:30:00'",
    "interval": "INTERVAL 1 DAY",
    "numbers": "[1.5, 2.5]",
    "bit": "'101'::BIT",
    "uuid": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID",
    "decimal": "1.5",
    "number": "2",
    "small": "2",
    "list": "[1, 2]",
    "relation": "plain",
    "expression": "1",
}
#: Arguments that do not fit, or only just.
ODD = [
    "NULL",
    "-1",
    "0",
    "1000000",
    "2147483648",
    "-9223372036854775808",
    "9223372036854775807",
    "170141183460469231731687303715884105727",
    "'nan'::DOUBLE",
    "'-inf'::DOUBLE",
    "1e308",
    "''",
    "'@db@'",
    "'@secret@'",
    "'@folder@/*'",
    "'@url@/a.csv'",
    "'SELECT 1'",
    "'FROM read_blob(''@db@'')'",
    "'plain'",
    "'numbers'",
    "'{\"a\": '",
    "'%(((['",
    "'é𝒳\u202eﬀ'",
    "''::BLOB",
    "'\\xFF\\x00'::BLOB",
    "[]",
    "[NULL]",
    "[[[[[1]]]]]",
    "['@db@']",
    "{'a': {'b': [NULL]}}",
    "MAP {}",
    "'infinity'::TIMESTAMP",
    "'5877642-06-25 (BC)'::DATE",
    "'-178956970 years'::INTERVAL",
    "'1'::BIT",
    "1.5::DECIMAL(38, 30)",
    "lambda x: x",
    "plain",
    "(SELECT a FROM plain LIMIT 1)",
    "repeat('[', 5000)",
    "repeat('{\"a\":', 5000)",
    "repeat('(', 5000)",
    "[x FOR x IN range(5000)]",
]
_FRAMES = {
    "table": "FROM {}",
    "table_macro": "FROM {}",
    "pragma": "CALL {}",
    "aggregate": "SELECT {} FROM plain",
    "window": "SELECT {} OVER (ORDER BY a) FROM plain",
}


@cache
def calls() -> list[str]:
    """Return calls of every function, each odd argument in every place, and some more."""
    return list(
        dict.fromkeys(
            _FRAMES.get(kind, "SELECT {}").replace("{}", called(function.name, arguments))
            for kind, functions in sorted(vocabulary().functions.items())
            for function in dict.fromkeys(map(_shape, functions))
            for arguments in map(", ".join, _arguments(function))
        )
    )


def _shape(function: Function) -> Function:
    """Return one of the functions that differ only in types for numbers, times and the like."""
    alike = {"date": "timestamp", "time": "timestamp", "blob": "text"}
    return Function(function.name, tuple(alike.get(name, name) for name in function.arguments))


def _arguments(function: Function) -> Iterator[tuple[str, ...]]:
    plain = tuple(_PLAIN[symbol] for symbol in function.arguments)
    yield from (plain, (), (*plain, "1"))
    for odd in ODD:
        yield (odd,) * len(plain)
        for place in range(len(plain)):
            yield (*plain[:place], odd, *plain[place + 1 :])
