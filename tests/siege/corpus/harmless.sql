-- What must go on working.
answers: SELECT 1
answers: SELECT 1;
answers: VALUES (1, 'a'), (2, NULL)
answers: FROM plain
answers: FROM plain SELECT a, b WHERE a > 1
answers: SELECT * FROM events ORDER BY event_time LIMIT 2
answers: SELECT event_name, count(*) FROM events GROUP BY ALL ORDER BY ALL
answers: SELECT properties->>'$."$browser"' AS browser, count(DISTINCT distinct_id) FROM events GROUP BY 1
answers: SELECT properties.number FROM events
answers: SELECT json_extract_string(properties, '$.number')::INTEGER + 1 FROM users
answers: SELECT j.key, j.value FROM events, json_each(properties) AS j
answers: SELECT date_trunc('day', event_time) AS day, count(*) FROM events GROUP BY day
answers: SELECT event_time::DATE, strftime(event_time, '%Y-%m') FROM events WHERE event_time >= TIMESTAMP '2025-01-01'
answers: SELECT event_time + INTERVAL 1 DAY, event_time AT TIME ZONE 'UTC' FROM events
answers: SELECT count(*) FILTER (WHERE a > 1), sum(c), avg(c), median(c), quantile_cont(c, 0.5), list(b) FROM plain
answers: SELECT a, sum(c) OVER (PARTITION BY b ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM plain
answers: SELECT a FROM plain QUALIFY row_number() OVER (ORDER BY a DESC) = 1
answers: SELECT DISTINCT ON (b) b, a FROM plain ORDER BY b, a
answers: SELECT e.distinct_id FROM events AS e JOIN users AS u USING (distinct_id)
answers: SELECT * FROM events AS e LEFT JOIN users AS u ON e.distinct_id = u.distinct_id
answers: SELECT * FROM events AS e ASOF JOIN events AS f ON e.event_time >= f.event_time
answers: SELECT * FROM plain POSITIONAL JOIN counted
answers: SELECT * FROM plain WHERE EXISTS (SELECT 1 FROM counted WHERE counted.a = plain.a)
answers: SELECT * FROM plain WHERE a IN (SELECT a FROM counted) OR a = ANY (SELECT a FROM counted)
answers: SELECT t.a, l FROM plain AS t, LATERAL (SELECT t.a + 1 AS l)
answers: SELECT unnest([1, 2, 3])
answers: SELECT * FROM range(3) AS t(n), unnest(['a', 'b']) AS u(v)
answers: SELECT * FROM generate_series(1, 3)
answers: WITH x AS (SELECT 1 AS a), y AS (FROM x) SELECT * FROM x JOIN y USING (a)
answers: WITH plain AS (SELECT 1 AS z) SELECT z FROM plain
answers: WITH x AS MATERIALIZED (SELECT a FROM plain) SELECT count(*) FROM x
answers: WITH RECURSIVE r(a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM r WHERE a < 5) SELECT sum(a) FROM r
answers: SELECT 1 UNION ALL SELECT 2 UNION SELECT 2 EXCEPT SELECT 1
answers: SELECT a FROM plain INTERSECT SELECT a FROM counted
answers: SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END, coalesce(b, '-'), nullif(a, 1) FROM plain
answers: SELECT {'a': 1, 'b': [1, 2]}.b[1], MAP {'a': 1}['a'], [x * 2 FOR x IN [1, 2] IF x > 1]
answers: SELECT list_transform([1, 2], lambda x: x + 1), list_filter([1, 2], lambda x: x > 1)
answers: SELECT * EXCLUDE (c) REPLACE (a + 1 AS a) FROM plain
answers: SELECT COLUMNS('a|b') FROM plain
answers: SELECT '1'::INTEGER, CAST('2025-01-01' AS DATE), TRY_CAST('x' AS DOUBLE), 1::DECIMAL(10, 2)
answers: SELECT m, p.a FROM typed WHERE m = 'good'
answers: SELECT list(m) FILTER (WHERE false) FROM typed
answers: SELECT {'a': list(m) FILTER (WHERE false), 'b': list(m)} FROM typed
answers: SELECT argmin(ARRAY((SELECT DISTINCT ON (a) min(COLUMNS(*)) FROM typed ORDER BY a)), a IN (SELECT a FROM plain)) FILTER (WHERE - a IS NULL OR NOT true) FROM plain
answers: SELECT 'Zürich' COLLATE NOCASE = 'zürich', lower('A'), 'a' || 'b', 'abc' LIKE 'a%', regexp_matches('abc', 'b')
answers: SELECT 'COPY x TO y; DELETE FROM plain; read_csv(''a'')' AS text
answers: SELECT $$COPY (DELETE) '$$ AS "COPY ); DELETE", "SELECT".a FROM "SELECT"
answers: /* read_csv('a') */ SELECT 1 -- query('x')
answers: SELECT "(", """", "--" FROM ")"
answers: SELECT a FROM "read_blob('@secret@')"
answers: SELECT a FROM "secret.csv"
answers: SELECT a FROM side.plain
answers: SELECT a, b FROM generated
answers: SELECT a FROM harmless
answers: SELECT count(*) FROM harmless_twice
answers: SELECT * FROM ") AS ("
answers: SELECT a FROM MAIN.PLAIN
answers: SELECT now() IS NOT NULL, current_date IS NOT NULL, random() < 1, uuid() IS NOT NULL
answers: DESCRIBE plain
answers: DESCRIBE SELECT a FROM plain
answers: SUMMARIZE plain
answers: SHOW TABLES
answers: PIVOT events ON event_name IN ('Page View') USING count(*)
answers: UNPIVOT plain ON a, c
answers: SELECT * FROM information_schema.tables
answers: SELECT table_name FROM duckdb_tables()
answers: SELECT ?
answers: SELECT * FROM plain WHERE b = ?
answers: SELECT * FROM plain USING SAMPLE 2 ROWS
error: SELECT nothing FROM plain
error: SELEC 1
error: SELECT 1 +
error: SELECT '
error: SELECT "
error: SELECT nosuchfunction(1)
error: SELECT 'x'::INTEGER
error: SELECT 1/0 + 'a'::DATE
error: SELECT * FROM nothing
error: SELECT * FROM plain JOIN plain USING (z)
error: SELECT a FROM plain GROUP BY b
error: SELECT 1 UNION SELECT 1, 2
error: SELECT \ud800
error: SELECT '\ud800'
error: SELECT 1 -- \udfff
error: SELECT '\u0000'
error: \u0000
error: (
error: $
error: SELECT 'é𝒳'::BIT
error: SELECT '-178956970 years'::INTERVAL
