-- What people ask; a statement a line. Tables: see test_allowed.py.
FROM t
DESCRIBE t
SHOW t
SUMMARIZE t
SUMMARIZE SELECT 1 a, 'x' b
SHOW TABLES
SHOW ALL TABLES
SHOW DATABASES
SHOW SCHEMAS
SHOW TABLES FROM main
DESCRIBE SELECT 1
PIVOT t ON b IN ('x')
PIVOT t ON b IN ('x') USING sum(a)
FROM t PIVOT (sum(a) FOR b IN ('x','y'))
PIVOT t ON b IN ('x') USING sum(a), count(*) GROUP BY g
UNPIVOT t ON a, g
FROM t UNPIVOT (v FOR n IN (a,g))
FROM t UNPIVOT INCLUDE NULLS (v FOR n IN (a,g))
SELECT s.k, t.s.k, s['k'], l[1], l[1:2], l[-1], m['a'], j.a, j['a'], j->'a', j->>'a', s.k[1], un.k FROM t
SELECT t FROM t
SELECT a BETWEEN 1 AND 2, a=1, a<>1, a<1, a>1, a<=1,a>=1, a IS NULL, a IS NOT NULL, a IS DISTINCT FROM 1, a IS NOT DISTINCT FROM 1, NOT (a=1), a IN (1,2), a NOT IN (1,2), a IN (SELECT 1), a > ANY (SELECT 1), a > ALL (SELECT 1), a IN l, EXISTS (SELECT 1), ARRAY(SELECT 1) FROM t
SELECT a=1 AND g=2 OR a=3 FROM t
SELECT CASE a WHEN 1 THEN 2 ELSE 3 END, coalesce(a,g), nullif(a,g), if(a=1,2,3), ifnull(a,g), a::VARCHAR, try_cast(b AS INT), TRY(a) FROM t
SELECT b LIKE 'x', b ILIKE 'x', b NOT LIKE 'x', b NOT ILIKE 'x', b LIKE 'x' ESCAPE '$', b NOT LIKE 'x' ESCAPE '$', b ILIKE 'x' ESCAPE '$', b GLOB 'x', b SIMILAR TO 'x', b NOT SIMILAR TO 'x', b ~ 'x', b !~ 'x', b ~~ 'x' FROM t
SELECT current_date, current_timestamp, current_time, now(), today() , localtime, localtimestamp
SELECT current_user, user, session_user, current_role, current_catalog, current_schema, current_database()
SELECT [x + 1 FOR x IN l IF x > 1], list_transform(l, lambda x: x+1), list_filter(l, lambda x, i: x > i), list_reduce(l, lambda x, y: x + y) FROM t
SELECT {'a': 1}, [1, 2], MAP {1: 2}, ROW(1, 2), (1, 2), ARRAY[1,2], {'a':1}.a FROM t
SELECT COLUMNS(lambda c: c IN ('a')) FROM t
SELECT COLUMNS(['a','g']) FROM t
SELECT * LIKE 'a%' FROM t
SELECT * SIMILAR TO 'a' FROM t
SELECT * EXCLUDE (a) REPLACE (g+1 AS g) RENAME (b AS bb) FROM t
SELECT min(COLUMNS(*)) FROM (SELECT a,g FROM t)
SELECT greatest(*COLUMNS(['a','g'])) FROM t
SELECT count(*), count(), count(a), count(DISTINCT a), sum(a), avg(a), list(a ORDER BY g), string_agg(b, ','), min(a), max(a), first(a), sum(a) FILTER (g>1) FROM t
SELECT row_number() OVER (), rank() OVER (ORDER BY a), lag(a,1,0) OVER (ORDER BY a), first_value(a IGNORE NULLS) OVER (ORDER BY a ROWS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES), sum(a) OVER (PARTITION BY b ORDER BY a RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM t
SELECT sum(a) OVER (ORDER BY d RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND CURRENT ROW) FROM t
SELECT DISTINCT ON (a) a, b FROM t ORDER BY g
SELECT DISTINCT a FROM t
SELECT a FROM t ORDER BY a DESC NULLS LAST LIMIT 10 OFFSET 0
SELECT a FROM t LIMIT 50%
SELECT a FROM t ORDER BY b COLLATE NOCASE
SELECT b COLLATE NOCASE.NOACCENT = 'x' FROM t
SELECT min(b COLLATE NOCASE) FROM t
SELECT b COLLATE de < 'x' FROM t
SELECT DISTINCT b COLLATE NOCASE FROM t
SELECT b COLLATE NOCASE, count(*) FROM t GROUP BY 1
SELECT a, count(*) FROM t GROUP BY ALL
SELECT a, b, grouping(a), sum(g) FROM t GROUP BY CUBE(a,b)
SELECT a, grouping_id(a) FROM t GROUP BY ROLLUP(a)
SELECT a FROM t QUALIFY row_number() OVER (ORDER BY g) = 1
SELECT * FROM t JOIN u USING (a)
SELECT * FROM t NATURAL JOIN u
SELECT t.a FROM t FULL JOIN u USING (a)
SELECT * FROM t LEFT JOIN u ON t.a = u.g
SELECT * FROM t ASOF JOIN u ON t.a >= u.a
SELECT * FROM t ASOF JOIN u USING (b, a)
SELECT * FROM t POSITIONAL JOIN u
SELECT * FROM t SEMI JOIN u USING (a)
SELECT * FROM t ANTI JOIN u USING (a)
SELECT * FROM t, LATERAL (SELECT t.a + 1)
SELECT * FROM t, unnest(t.l) WITH ORDINALITY
SELECT unnest(l), unnest(s), generate_subscripts(l, 1) FROM t
SELECT unnest([{'a':1}], recursive := true)
SELECT * FROM t TABLESAMPLE 10%
SELECT * FROM t USING SAMPLE 5 ROWS
SELECT (SELECT a FROM t), (SELECT max(a) FROM u WHERE u.a = t.a) FROM t
SELECT * FROM t WHERE a IN (SELECT a FROM u WHERE u.g = t.g)
SELECT a FROM t UNION SELECT a FROM u
SELECT a FROM t UNION ALL BY NAME SELECT a, b FROM u
SELECT a FROM t EXCEPT SELECT a FROM u
SELECT a FROM t INTERSECT ALL SELECT a FROM u
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM r WHERE n < 3) FROM r
WITH RECURSIVE r(n, k) USING KEY (n) AS (SELECT 1, 1 UNION SELECT n, k+1 FROM r WHERE k < 3) FROM r
WITH a AS MATERIALIZED (FROM t) SELECT * FROM a, a b
VALUES (1),(2)
FROM range(3)
FROM generate_series(1,3)
SELECT a::DECIMAL(5,2), a::VARCHAR::DATE IS NULL, f::INT, '[1]'::JSON, '[1]'::INT[], 'x'::en, j::VARCHAR, s::JSON, j::STRUCT(a INT), '{"k": [1]}'::STRUCT(k INT[]), to_json(s), ts::DATE, tz::TIMESTAMP FROM t WHERE a::VARCHAR <> '1'
SELECT j FROM t WHERE j = '{"a":1}'
SELECT j FROM t ORDER BY j
SELECT count(*) FROM t GROUP BY e, bl, l, s, m, j, tz
SELECT * FROM t WHERE b = 'x' AND a IN (1,2,3,4,5,6,7,8,9,10,11,12) AND b LIKE 'x%' AND b LIKE '%x' AND b LIKE '%x%'
SELECT * FROM t, u WHERE t.b LIKE u.b
SELECT a FROM t WHERE (a, g) IN ((1,2),(2,3))
SELECT a FROM t WHERE (a,g) = (1,2)
SELECT avg(a), stddev(a), median(a), quantile_cont(a, 0.5), mode(a), arg_max(a, g), histogram(a), approx_count_distinct(a), any_value(a) FROM t
FROM information_schema.tables
FROM information_schema.columns
FROM duckdb_tables
FROM duckdb_columns()
FROM pg_catalog.pg_class
FROM pg_catalog.pg_type
FROM pg_catalog.pg_attribute
SELECT struct_pack(a := 1), json_object('a', 1), json_group_array(a) FROM t
SELECT a AS 'x y', #1 FROM t
FROM (DESCRIBE t)
FROM json_each('[1]')
SELECT length(b), lower(b), upper(b), concat(a, b), b.upper(), l.list_sum(), len(l), strftime(d, '%Y'), date_trunc('month', d), round(f, 1), regexp_replace(b, 'x', 'y'), 'a' IN ('a','b') FROM t
SELECT alias(a), ifnull(a, 1), error_free FROM (SELECT a, 1 error_free FROM t)
SELECT try_cast(j AS INT[]), a.abs() FROM t
SELECT ts::DATE = d, d = '2020-01-01', ts BETWEEN '2019-01-01' AND '2021-01-01', strptime('2020','%Y') FROM t
SELECT 1 WHERE 'a' < 'b' AND 1.5 > 1 AND [1] = [1] AND {'a':1} = {'a':1}
SELECT -a, +a, a+g, a-g, a*g, a/g, a//g, a%g, a^g, ~a, a&g, a<<1, a>>1, @a, a! FROM t
SELECT COLUMNS('a.*') FROM t
SELECT EXTRACT(year FROM d), SUBSTRING(b FROM 1 FOR 1), TRIM(BOTH 'x' FROM b), POSITION('x' IN b), ts AT TIME ZONE 'UTC', d + INTERVAL 1 DAY, ts - ts FROM t
SELECT b || 'x' FROM t
