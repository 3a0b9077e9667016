-- What the second siege found, and its cousins.
refused: WITH ")" AS (DELETE FROM plain RETURNING *) SELECT * FROM ")"
refused: WITH "(" AS (SELECT 1), ")" AS (DELETE FROM plain RETURNING *) SELECT * FROM ")"
refused: WITH """)" AS (UPDATE plain SET b = 'z' RETURNING *) SELECT * FROM """)"
refused: WITH ")" AS (INSERT INTO plain (a) VALUES (9) RETURNING *) SELECT * FROM ")"
refused: WITH ")" AS (MERGE INTO plain USING (SELECT 1 AS a) AS u USING (a) WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM ")"
refused: WITH ")" AS MATERIALIZED (COPY plain TO '@db@' (USE_TMP_FILE false)) SELECT 1
refused: SELECT * FROM (WITH ")" AS (DELETE FROM plain RETURNING *) FROM ")")
refused: SELECT 1 AS ")" UNION ALL (WITH x AS (DELETE FROM plain RETURNING a) FROM x)
refused: SELECT (WITH ")" AS (DELETE FROM plain RETURNING 1) SELECT count(*) FROM ")")
refused: SELECT $$)$$, (WITH x AS (DELETE FROM plain RETURNING 1) SELECT count(*) FROM x)
refused: SELECT 1 WHERE ')' IN (WITH x AS (TRUNCATE plain) SELECT 'a')
refused: WITH x AS (WITH ")" AS (DELETE FROM plain RETURNING *) FROM ")") FROM x
refused: WITH \u0022)\u0022\u00a0AS\u00a0(DELETE\ufeffFROM--;\nplain--;\nRETURNING\u200b*) SELECT * FROM ")"
refused: DESCRIBE WITH ")" AS (DELETE FROM plain RETURNING *) FROM ")"
refused: SUMMARIZE WITH ")" AS (DELETE FROM plain RETURNING *) FROM ")"
refused: PIVOT (WITH ")" AS (DELETE FROM plain RETURNING *) FROM ")") ON a IN (1) USING count(*)
refused: SELECT json_serialize_plan('FROM read_csv(''@db@'')')
refused: SELECT json_serialize_plan('FROM read_blob(''@db@'')', optimize := true)
refused: SELECT json_serialize_plan(b) FROM plain
refused: SELECT system.main.json_serialize_plan('FROM ''@db@''')
refused: SELECT 'FROM read_csv(''@db@'')'.json_serialize_plan()
refused: SELECT list_transform(['FROM ''@db@'''], lambda x: json_serialize_plan(x))
refused: FROM '@db@'
refused: SELECT nextval('numbers')
refused: SELECT a, nextval('numbers') FROM plain
refused: SELECT 'numbers'.nextval()
refused: SELECT list_transform([1, 2], lambda x: nextval('numbers'))
refused: SELECT currval('numbers')
refused: ALTER DATABASE siege SET ALIAS TO z
refused: SELECT setseed(0.5)
