refused: FROM query\u00a0('SELECT 1')
refused: FROM\u2003query\u2003('SELECT 1')
refused: FROM query\u200b('SELECT 1')
refused: FROM\u3000query\ufeff('SELECT 1')
refused: COPY\u00a0plain\u00a0TO\u00a0'@new@'
-- DuckDB takes all of it for a text.
answers: SELECT $\u00a0$, * FROM query('SELECT 1') --$\u00a0$
refused: FROM U&"qu\0065ry"('SELECT 1')
refused: FROM \uff51uery('SELECT 1')
refused: FROM read\u200b_text('@secret@')
refused: \uff33\uff25\uff34 threads = 64
