"""Generates statements from the rules in ``grammar.txt``."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.siege.vocabulary import Function, vocabulary

#: A way to write a symbol: texts and symbols in turn, symbols with how often they come.
Way = list[tuple[str, str, str]]

_SYMBOL = re.compile(r"([^<]*(?:<(?![a-z_]+[?*,]?>)[^<]*)*)(?:<([a-z_]+)([?*,]?)>)?")
_RULE = re.compile(r"([a-z_]+) := (.*)")
_WAY = re.compile(r"\|(\d*) (.*)")
_NAME = re.compile(r"[a-z_]\w*", re.IGNORECASE)
#: The symbols of calls, and DuckDB's kinds of functions.
_CALLS = {
    "scalar": "scalar",
    "aggregate": "aggregate",
    "window_call": "window",
    "scalar_macro": "macro",
    "table_function": "table",
    "table_macro": "table_macro",
    "pragma_call": "pragma",
}
#: How many ways to call a function count.
_OVERLOADS = 6
#: How many symbols a statement may have before it comes to an end.
_SIZES = (8, 15, 30, 60, 120)
_OFTEN = 0.35


@cache
def rules() -> dict[str, list[Way]]:
    """Return for each symbol the ways to write it, those that count more several times."""
    found: dict[str, list[Way]] = {}
    name = ""
    for line in Path(__file__).with_name("grammar.txt").read_text().splitlines():
        if rule := _RULE.fullmatch(line):
            name = rule[1]
            found[name] = [_way(rule[2])]
        elif way := _WAY.fullmatch(line):
            found[name] += [_way(way[2])] * int(way[1] or 1)
    return found


def _way(text: str) -> Way:
    text = text.replace(r"\x20", " ")
    return [(found[1], found[2] or "", found[3] or "") for found in _SYMBOL.finditer(text)]


@cache
def words() -> dict[str, list[Way]]:
    """Return the ways to write what depends on the version of DuckDB."""
    known = vocabulary()
    found: dict[str, list[Way]] = {
        "keyword": [_way(word) for word in known.keywords],
        "type_name": [_way(word) for word in known.types],
        "setting": [_way(word) for word in known.settings],
        "setting_text": [_way(f"'{word}'") for word in known.settings],
        "pragma": [_way(function.name) for function in known.functions["pragma"]],
    }
    for symbol, kind in _CALLS.items():
        by_name: dict[str, list[Function]] = {}
        for function in known.functions[kind]:
            by_name.setdefault(function.name, []).append(function)
        found[symbol] = [
            _way(called(function.name, ", ".join(f"<{one}>" for one in function.arguments)))
            for overloads in by_name.values()
            for function in overloads[:: len(overloads) // _OVERLOADS + 1]
        ]
    return found


def called(name: str, arguments: str) -> str:
    """Return the call of a function, its name in quotes where it must be."""
    if not _NAME.fullmatch(name):
        name = '"' + name.replace('"', '""') + '"'
    return f"{name}({arguments})"


class Writer:
    """Writes one statement.

    Args:
        chance: Decides everything.
    """

    def __init__(self, chance: random.Random) -> None:
        self._random = chance.random
        self._left = chance.choice(_SIZES)

    def write(self, symbol: str) -> str:
        """Return a text for a symbol."""
        parts: list[str] = []
        self._expand(symbol, parts.append)
        return "".join(parts)

    def _pick(self, things: list[Way]) -> Way:
        return things[int(self._random() * len(things))]

    def _expand(self, symbol: str, add: Callable[[str], object]) -> None:
        self._left -= 1
        ways = rules().get(symbol)
        if ways is None:
            ways = words()[symbol]
            way = self._pick(ways)
        else:
            way = self._pick(ways) if self._left > 0 else ways[0]
        for text, inner, repeated in way:
            if text:
                add(text)
            if inner:
                self._repeat(inner, repeated, add)

    def _repeat(self, symbol: str, repeated: str, add: Callable[[str], object]) -> None:
        if repeated == "":
            self._expand(symbol, add)
        elif repeated == ",":
            self._expand(symbol, add)
            while self._left > 0 and self._random() < _OFTEN:
                add(", ")
                self._expand(symbol, add)
        else:
            while self._left > 0 and self._random() < _OFTEN:
                self._expand(symbol, add)
                if repeated == "?":
                    break
