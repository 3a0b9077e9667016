"""Changes statements so that they look different and, sometimes, mean the same."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

Tokens = list[str]

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/|\s+|\w+|::|->>?|<=|>=|<>|.""",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d]\w*")
#: What DuckDB takes, or might take, for a space.
SPACES = ["/**/", "/* ) */", "/* ' */", "--\n", "\n", "\t", "\u00a0", "\u2003", "\u200b", "\u3000"]
_SPACES = [*SPACES, "\ufeff", "\x0b", "\r", "\u2028", " /* /* */ */ ", "--;\n"]
#: Places where a statement can stand within another one.
FRAMES = """
SELECT * FROM ({})
SELECT ({})
SELECT EXISTS ({})
SELECT 1 IN ({})
SELECT ARRAY({})
SELECT [({})]
SELECT 1 ORDER BY ({})
SELECT 1 LIMIT ({})
SELECT 1 WHERE EXISTS ({})
SELECT 1 GROUP BY ({})
SELECT 1 HAVING EXISTS ({})
SELECT 1 QUALIFY row_number() OVER (ORDER BY ({})) = 1
SELECT sum(1) FILTER (WHERE EXISTS ({}))
SELECT list_transform([1], lambda x: ({}))
SELECT [({}) FOR x IN [1]]
SELECT CASE WHEN false THEN ({}) END
SELECT {{'a': ({})}}
SELECT * FROM plain AS t JOIN ({}) AS u ON true
SELECT * FROM plain AS t, LATERAL ({}) AS u
SELECT * FROM plain AS t ASOF JOIN ({}) AS u USING (a)
SELECT * FROM plain WHERE a = ANY ({})
SELECT * FROM range((SELECT count(*) FROM ({})))
SELECT * REPLACE (({}) AS a) FROM plain
SELECT sum(a) OVER (ORDER BY a RANGE ({}) PRECEDING) FROM plain
SELECT * FROM plain TABLESAMPLE (({}))
PIVOT ({}) ON a IN (1) USING count(*)
UNPIVOT ({}) ON *
DESCRIBE {}
SUMMARIZE {}
SUMMARIZE ({})
EXPLAIN {}
EXPLAIN ANALYZE {}
EXPLAIN (ANALYZE, FORMAT json) {}
WITH x AS ({}) FROM x
WITH x AS MATERIALIZED ({}) SELECT 1
WITH x AS (SELECT 1) {}
WITH x AS (WITH y AS ({}) FROM y) FROM x
WITH ")" AS ({}) SELECT * FROM ")"
WITH RECURSIVE x AS (SELECT 1 AS a UNION ALL ({})) FROM x LIMIT 3
WITH "@db@" AS (SELECT 1 AS a), "@secret@" AS (SELECT 1 AS a) {}
SELECT (WITH "@db@" AS (SELECT 1 AS a) SELECT a FROM "@db@"), ({})
(WITH "@db@" AS (SELECT 1 AS a) SELECT 1) UNION ALL ({})
{} UNION ALL SELECT 1
SELECT 1 UNION ({})
SELECT 1 EXCEPT (({}))
({})
CREATE VIEW z AS {}
CREATE TEMP VIEW z AS {}
CREATE TABLE z AS {}
CREATE MACRO z() AS TABLE {}
CREATE MACRO z() AS ({})
COPY ({}) TO '@new@'
INSERT INTO plain {}
PREPARE z AS {}
FROM query($q${}$q$)
FROM json_execute_serialized_sql(json_serialize_sql($q${}$q$))
SELECT json_serialize_plan($q${}$q$)
SELECT 1; {}
{}; SELECT 1
BEGIN; {}; COMMIT
{};
-- {}
/* */ {} -- x
""".strip().splitlines()


def tokens(statement: str) -> Tokens:
    """Return the words, texts, signs and spaces of a statement."""
    return [found[0] for found in _TOKEN.finditer(statement)]


class Mutation:
    """Changes one statement.

    Args:
        chance: Decides everything.
        corpus: Other statements to take parts of.
        words: Words that mean something to DuckDB.
    """

    def __init__(self, chance: random.Random, corpus: Sequence[str], words: Sequence[str]) -> None:
        self._chance = chance
        self._corpus = corpus
        self._words = words

    def mutate(self, statement: str) -> str:
        """Return a statement that came of another one by one to four changes."""
        for _ in range(self._chance.randint(1, 4)):
            statement = self._chance.choice(_CHANGES)(self, statement)[:4000]
        return statement

    def _place(self, parts: Tokens) -> int:
        return self._chance.randrange(len(parts)) if parts else 0

    def _frame(self, statement: str) -> str:
        frame = self._chance.choice(FRAMES)
        return frame.replace("{{", "{").replace("}}", "}").replace("{}", statement.rstrip("; "))

    def _splice(self, statement: str) -> str:
        ours, theirs = tokens(statement), tokens(self._chance.choice(self._corpus))
        return "".join(ours[: self._place(ours)] + theirs[self._place(theirs) :])

    def _graft(self, statement: str) -> str:
        """Put some tokens of another statement in."""
        ours, theirs = tokens(statement), tokens(self._chance.choice(self._corpus))
        at, start = self._place(ours), self._place(theirs)
        return "".join(ours[:at] + theirs[start : start + self._chance.randint(1, 6)] + ours[at:])

    def _join(self, statement: str) -> str:
        """Make two queries one."""
        return f"{statement.rstrip('; ')} UNION ALL {self._chance.choice(self._corpus)}"

    def _at_word(self, statement: str, change: Callable[[str], str]) -> str:
        parts = tokens(statement)
        places = [i for i, part in enumerate(parts) if _WORD.fullmatch(part)]
        if places:
            at = self._chance.choice(places)
            parts[at] = change(parts[at])
        return "".join(parts)

    def _quote(self, statement: str) -> str:
        return self._at_word(statement, lambda word: f'"{word}"')

    def _change_case(self, statement: str) -> str:
        return self._at_word(statement, str.swapcase)

    def _other_word(self, statement: str) -> str:
        return self._at_word(statement, lambda _: self._chance.choice(self._words))

    def _qualify(self, statement: str) -> str:
        schema = self._chance.choice(["main", "system.main", "siege.main", "temp", "side"])
        return self._at_word(statement, lambda word: f"{schema}.{word}")

    def _spaces(self, statement: str) -> str:
        parts = tokens(statement)
        share = self._chance.choice([0.1, 0.5, 1.0])
        return "".join(
            self._chance.choice(_SPACES)
            if part.isspace() and self._chance.random() < share
            else part
            for part in parts
        )

    def _space(self, statement: str) -> str:
        parts = tokens(statement)
        parts.insert(self._place(parts), self._chance.choice(_SPACES))
        return "".join(parts)

    def _drop(self, statement: str) -> str:
        parts = tokens(statement)
        if parts:
            del parts[self._place(parts)]
        return "".join(parts)

    def _double(self, statement: str) -> str:
        parts = tokens(statement)
        at = self._place(parts)
        return "".join(parts[: at + 1] + parts[at:])

    def _sign(self, statement: str) -> str:
        parts = tokens(statement)
        parts.insert(self._place(parts), self._chance.choice(list("();,.'\"$[]{}:*?\\#@\0")))
        return "".join(parts)

    def _requote(self, statement: str) -> str:
        """Write a text in other quotes."""
        parts = tokens(statement)
        places = [i for i, part in enumerate(parts) if part[0] == "'" and len(part) > 1]
        if places:
            at = self._chance.choice(places)
            inner = parts[at][1:-1]
            parts[at] = self._chance.choice([f"$${inner}$$", f'"{inner}"', f"E'{inner}'"])
        return "".join(parts)


#: Those that keep a statement whole come more often.
_CHANGES: list[Callable[[Mutation, str], str]] = [
    *[Mutation._frame] * 6,
    *[Mutation._spaces] * 3,
    *[Mutation._change_case] * 2,
    *[Mutation._quote] * 2,
    *[Mutation._other_word] * 2,
    Mutation._qualify,
    Mutation._requote,
    Mutation._join,
    Mutation._splice,
    Mutation._graft,
    Mutation._space,
    Mutation._drop,
    Mutation._double,
    Mutation._sign,
]
