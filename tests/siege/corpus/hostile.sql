-- About a file with traps in it.
answers: SELECT a, b FROM plain
answers: SELECT * FROM events
answers: WITH spy_text AS (SELECT 1 AS a) FROM spy_text
answers: SELECT a FROM ") AS ("
refused: FROM spy_own
refused: FROM spy_text
refused: FROM spy_csv
refused: FROM spy_file
refused: FROM spy_glob
refused: FROM spy_twice
refused: FROM spy_named
refused: FROM "spy ( AS SELECT 1"
refused: FROM spy_query
refused: FROM spy_next
refused: FROM SPY_TEXT
refused: FROM main.spy_text
refused: FROM siege.main.spy_text
refused: FROM duckdb_views
refused: FROM duckdb_tables
refused: FROM "range"
refused: FROM side.harmless
refused: FROM "@secret@"
refused: SELECT * FROM harmless, spy_text
refused: SELECT (SELECT content FROM spy_text)
refused: SELECT * FROM (WITH spy_text AS (SELECT 1) FROM spy_text) AS t, spy_text
refused: WITH x AS (FROM spy_own) SELECT 1
refused: DESCRIBE spy_text
refused: SUMMARIZE spy_text
refused: PIVOT spy_text ON content IN ('a') USING count(*)
refused: SELECT spy(1)
refused: SELECT spy_of()
refused: SELECT lower('A')
refused: SELECT "lower"('A')
refused: SELECT LOWER('A')
refused: SELECT main.lower('A')
refused: SELECT siege.main.lower('A')
refused: SELECT 'A'.lower()
refused: SELECT upper('a')
refused: SELECT round(1.5, 1)
refused: SELECT abs(-1)
refused: SELECT strlen('a')
refused: SELECT twice(2)
refused: SELECT side.lower('A')
refused: SELECT list_transform(['A'], lambda x: lower(x))
refused: FROM spy_table()
refused: FROM spy_path('@secret@')
refused: FROM generate_series(3)
refused: FROM "range"(3)
refused: FROM range(3)
refused: FROM json_each('{}')
refused: SELECT b FROM disguised
refused: SELECT * FROM disguised
refused: SELECT count(*) FROM disguised WHERE b > 0
error: SELECT '{"a": 1}'::JSON ->> '$.a'
error: SELECT 1 + 1
error: SELECT 'a' LIKE 'a'
