"""A lexer for SQL, and a reader of its tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    \s+
    | (?P<token>
        "(?:[^"]|"")*"                               # quoted name
        | '(?:[^']|'')*'                             # string
        | \$\d+ | \?                                 # parameter
        | [(),=\[\]] | ::?
        | (?:[^\s"'(),=\[\]$?:/-] | -(?!-) | /(?!\*))+  # word or number, and no comment
    )
    """,
    re.VERBOSE,
)
_DEPTH = {"(": 1, "[": 1, ")": -1, "]": -1}


class Token(NamedTuple):
    """A token and its position in the text."""

    text: str
    start: int
    end: int

    @property
    def is_parameter(self) -> bool:
        """True for ``?`` and ``$1``."""
        return self.text[0] in "?$"


class TokenReader:
    """Reads the tokens of SQL, or some of them, from left to right.

    Args:
        sql: The text.
        tokens: The tokens.
    """

    def __init__(self, sql: str, tokens: list[Token]) -> None:
        self._sql = sql
        self._tokens = tokens
        self._next = 0

    @classmethod
    def of(cls, sql: str) -> TokenReader | None:
        """Return a reader, None for SQL with comments or anything else that is not a token here.

        Example:
            >>> reader = TokenReader.of('INSERT INTO "a b" VALUES ($1)')
            >>> reader.accept("INSERT", "INTO"), reader.take().text
            (True, '"a b"')
        """
        tokens, end = [], 0
        for match in _TOKEN.finditer(sql):
            if match.start() != end:
                return None
            end = match.end()
            if match["token"]:
                tokens.append(Token(match["token"], match.start(), end))
        return cls(sql, tokens) if end == len(sql) else None

    @property
    def at_end(self) -> bool:
        """True when all tokens were read."""
        return self._next == len(self._tokens)

    @property
    def has_parameter(self) -> bool:
        """True when one of the tokens, read or not, is a parameter."""
        return any(token.is_parameter for token in self._tokens)

    def peek(self) -> str:
        """Return the text of the next token in upper case, empty at the end."""
        return "" if self.at_end else self._tokens[self._next].text.upper()

    def take(self) -> Token:
        """Return the next token.

        Raises:
            IndexError: There is none.
        """
        token = self._tokens[self._next]
        self._next += 1
        return token

    def accept(self, *words: str) -> bool:
        """Skip the next tokens if they are these words, in any case."""
        following = self._tokens[self._next : self._next + len(words)]
        found = [token.text.upper() for token in following] == list(words)
        if found:
            self._next += len(words)
        return found

    def take_until(self, *stops: str) -> TokenReader:
        """Take the tokens before the next stop word that is outside brackets, or all tokens."""
        start, depth = self._next, 0
        while not self.at_end and (depth or self.peek() not in stops):
            depth += _DEPTH.get(self.take().text, 0)
        return TokenReader(self._sql, self._tokens[start : self._next])

    def take_group(self) -> TokenReader | None:
        """Take the contents of the parentheses that open here; None if none open, or not closed."""
        if not self.accept("("):
            return None
        group = self.take_until(")")
        return group if self.accept(")") else None

    def split(self, separator: str) -> list[TokenReader]:
        """Take all remaining tokens, split at the separators."""
        parts = [self.take_until(separator)]
        while self.accept(separator):
            parts.append(self.take_until(separator))
        return parts

    def rest(self) -> list[Token]:
        """Return the remaining tokens without taking them."""
        return self._tokens[self._next :]

    def text(self) -> str:
        """Return the SQL from the first to the last of the remaining tokens."""
        return (
            self._sql[self._tokens[self._next].start : self._tokens[-1].end] if self.rest() else ""
        )
