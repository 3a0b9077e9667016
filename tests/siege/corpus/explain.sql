refused: EXPLAIN ANALYZE COPY plain TO '@db@' (USE_TMP_FILE false)
refused: EXPLAIN (ANALYZE) COPY plain TO '@db@' (USE_TMP_FILE false)
refused: EXPLAIN (ANALYZE, FORMAT json) COPY plain TO '@db@' (USE_TMP_FILE false)
error: EXPLAIN (FORMAT '); SELECT 1 --') COPY plain TO '@db@' (USE_TMP_FILE false)
refused: EXPLAIN /* ( */ ANALYZE /* ) */ COPY plain TO '@db@' (USE_TMP_FILE false)
refused: EXPLAIN EXPLAIN ANALYZE COPY plain TO '@new@'
refused: EXPLAIN ANALYZE FROM enable_logging()
refused: EXPLAIN
