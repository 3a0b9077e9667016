refused: /* SELECT 1 */ COPY plain TO '@new@'
refused: COPY/**/plain/**/TO/**/'@new@'
refused: SE/**/T threads = 64
refused: FROM query/* */('SELECT 1')
refused: FROM query /* /* nested */ ( */ ('SELECT 1')
refused: FROM /* ' */ query ('SELECT 1') /* ' */
refused: FROM "query"('SELECT 1')
refused: FROM QUERY('SELECT 1')
refused: FROM system.main.query('SELECT 1')
refused: FROM system . main . "Query" ('SELECT 1')
refused: SELECT $$ ' $$, * FROM query('SELECT 1') t(a) WHERE '$$' <> ''
refused: SELECT E'\'', * FROM query('SELECT 1') t(a) WHERE a <> E'\''
refused: CREATE/**/SECRET s (TYPE http)
