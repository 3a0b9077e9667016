refused: FROM query('FROM read_csv(''@secret@'')')
refused: FROM query('FROM enable_' || 'logging()')
refused: FROM query_table('@secret@')
refused: FROM query_table(['@secret@'])
refused: FROM json_execute_serialized_sql(json_serialize_sql('FROM plain'))
refused: PREPARE spy AS COPY plain TO '@new@'
refused: PREPARE spy AS SELECT 1
refused: EXECUTE spy
