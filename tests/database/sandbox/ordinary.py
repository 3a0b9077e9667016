"""Ordinary queries, over a table with a column of every kind."""

from __future__ import annotations

from pathlib import Path

TABLES = """
    CREATE TABLE t AS SELECT 1 AS a, 'x' AS b, {'k': [1, 2]} AS s, [1, 2] AS l,
        '{"a": 1}'::JSON AS j, MAP {'a': 1} AS m, DATE '2020-01-01' AS d,
        TIMESTAMP '2020-01-01' AS ts, 1.5 AS f, 2 AS g, 'e'::ENUM('e', 'f') AS e,
        TIMESTAMPTZ '2020-01-01' AS tz, 'ab'::BLOB AS bl, union_value(k := 1) AS un;
    CREATE TABLE u AS FROM t;
    CREATE TYPE en AS ENUM ('x', 'y');
"""

ORDINARY = [
    line
    for line in Path(__file__).with_name("ordinary.sql").read_text().splitlines()
    if not line.startswith("--")
]
