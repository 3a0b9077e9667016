refused: COPY plain TO '@new@'
refused: COPY plain TO '@new@' (FORMAT parquet)
refused: COPY (SELECT 1) TO '/dev/stdout'
refused: COPY plain FROM '@secret@'
refused: COPY plain TO '@db@' (USE_TMP_FILE false)
refused: COPY plain TO '@db@.wal' (USE_TMP_FILE false)
refused: COPY plain TO '@db@.tmp/new.csv'
refused: COPY (PIVOT plain ON a) TO '@db@' (USE_TMP_FILE false)
refused: FROM '@secret@'
refused: FROM "@secret@"
refused: FROM read_csv('@secret@')
refused: FROM read_text('@secret@')
refused: FROM read_blob('@secret@')
refused: FROM read_blob('@db@')
refused: FROM read_text('@db@.tmp/../secret.csv')
refused: FROM read_json('@secret@')
refused: FROM read_ndjson_objects('@secret@')
refused: FROM read_parquet('@secret@')
refused: FROM parquet_metadata('@secret@')
refused: FROM sniff_csv('@secret@')
refused: FROM read_duckdb('@db@')
refused: FROM glob('@folder@/*')
refused: FROM read_text('file://@secret@')
refused: SELECT (SELECT content FROM read_text('@secret@'))
refused: CREATE VIEW spy AS FROM read_csv('@secret@')
refused: CREATE TEMP VIEW spy AS FROM '@secret@'
refused: CREATE MACRO spy() AS TABLE FROM read_csv('@secret@')
refused: CREATE MACRO spy(file) AS TABLE FROM read_csv(file)
refused: CREATE TABLE spy AS FROM read_csv('@secret@')
refused: INSERT INTO plain FROM read_csv('@secret@')
refused: EXPORT DATABASE '@new@'
error: IMPORT DATABASE '@new@'
error: PRAGMA import_database('@new@')
refused: FROM '@secret@'
refused: FROM '@db@'
refused: FROM "@db@"
refused: FROM E'@db@'
refused: SELECT * FROM '@secret@' AS t
refused: SELECT count(*) FROM '@folder@/*.csv'
refused: FROM '@folder@/secret.json'
refused: FROM '@folder@/secret.parquet'
refused: FROM '@folder@/other.db'
refused: FROM './secret.csv'
refused: FROM "secret.parquet"
refused: FROM '~/secret.csv'
refused: FROM 'file:@secret@'
refused: FROM read_csv(['@secret@'])
refused: FROM read_csv_auto('@secret@')
refused: FROM read_csv(?)
refused: FROM read_text($1)
refused: FROM read_blob('@secret' || '@')
refused: FROM parquet_scan('@folder@/secret.parquet')
refused: FROM parquet_schema('@folder@/secret.parquet')
refused: FROM parquet_file_metadata('@folder@/secret.parquet')
refused: FROM parquet_kv_metadata('@folder@/secret.parquet')
refused: FROM parquet_bloom_probe('@folder@/secret.parquet', 'a', 1)
refused: FROM read_json_objects('@folder@/secret.json')
refused: FROM read_json_auto('@folder@/secret.json')
refused: FROM read_csv('/proc/self/environ', header = false, columns = {a: 'VARCHAR'})
refused: FROM read_text('/proc/self/environ')
refused: FROM read_blob('/proc/self/fd/3')
refused: FROM glob('@folder@')
refused: FROM glob('/proc/self/fd/*')
refused: SELECT * FROM plain WHERE b IN (SELECT content FROM read_text('@secret@'))
refused: SELECT * FROM plain ORDER BY (SELECT content FROM read_text('@secret@'))
refused: SELECT * FROM plain LIMIT (SELECT size FROM read_text('@secret@'))
refused: SELECT sum(a) FILTER (WHERE EXISTS (FROM read_text('@secret@'))) FROM plain
refused: SELECT list_transform([1], lambda x: (SELECT content FROM read_text('@secret@')))
refused: SELECT sum(a) OVER (ORDER BY a RANGE BETWEEN (SELECT size FROM read_text('@secret@')) PRECEDING AND CURRENT ROW) FROM plain
refused: SELECT * FROM plain QUALIFY row_number() OVER (ORDER BY (SELECT content FROM read_text('@secret@'))) = 1
refused: SELECT * FROM plain AS t JOIN read_text('@secret@') AS u ON true
refused: SELECT * FROM plain AS t POSITIONAL JOIN read_text('@secret@') AS u
refused: SELECT * FROM plain AS t ASOF JOIN (SELECT size AS a FROM read_text('@secret@')) AS u USING (a)
refused: SELECT * FROM plain AS t, LATERAL (SELECT content FROM read_text('@secret@')) AS u
refused: SELECT * REPLACE ((SELECT content FROM read_text('@secret@')) AS b) FROM plain
refused: SELECT * FROM plain TABLESAMPLE ((SELECT 1) ROWS)
refused: PIVOT (FROM read_text('@secret@')) ON filename IN ('a') USING count(*)
refused: PIVOT plain ON a IN (1) USING max((SELECT content FROM read_text('@secret@')))
refused: UNPIVOT (FROM read_text('@secret@')) ON content
refused: SELECT * FROM (VALUES ((SELECT content FROM read_text('@secret@')))) AS t(a)
refused: WITH plain AS (FROM read_text('@secret@')) FROM plain
refused: WITH RECURSIVE r AS (SELECT content AS a FROM read_text('@secret@') UNION ALL FROM r WHERE false) FROM r
refused: SELECT [content FOR content IN (SELECT list(content) FROM read_text('@secret@'))]
refused: (SELECT 1 AS size) UNION ALL BY NAME (SELECT size FROM read_text('@secret@'))
refused: SUMMARIZE FROM read_text('@secret@')
refused: SUMMARIZE '@secret@'
refused: DESCRIBE '@secret@'
refused: DESCRIBE FROM read_csv('@secret@')
refused: DESCRIBE '@db@'
refused: SELECT * FROM (DESCRIBE FROM read_csv('@secret@'))
refused: SELECT * FROM (SUMMARIZE '@secret@')
refused: SHOW '@secret@'
refused: TABLE '@secret@'
refused: WITH x AS (SELECT 1 AS a) SELECT * FROM (WITH "@secret@" AS (FROM x) FROM x) AS y, "@secret@" AS z
refused: SELECT * FROM (WITH "@secret@" AS (SELECT 1) FROM "@secret@") AS t UNION ALL FROM "@secret@"
refused: WITH "@secret@" AS (SELECT * FROM "@secret@") FROM "@secret@"
