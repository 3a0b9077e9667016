refused: ATTACH '@new@'
refused: ATTACH '@new@' AS other (TYPE duckdb)
refused: ATTACH '@db@' AS other
refused: ATTACH ':memory:' AS other
refused: ATTACH '@url@/a.db'
refused: ATTACH 'postgres:dbname=a' AS other
refused: DETACH plain
refused: COPY FROM DATABASE plain TO memory
refused: USE memory
