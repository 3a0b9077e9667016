-- Ways out that DuckDB's documentation, changes and issues tell of.
refused: SELECT * FROM read_csv('@secret@', auto_detect = true, sample_size = -1)
refused: SELECT * FROM sniff_csv('@secret@')
refused: SELECT * FROM read_csv('|cat @secret@')
refused: SELECT * FROM 'data:,a'
refused: SELECT * FROM 'data:text/csv;base64,YQox'
refused: SELECT * FROM read_text('data:,a')
refused: SELECT * FROM duckdb_secrets(redact = false)
refused: SELECT * FROM duckdb_settings()
refused: SELECT * FROM duckdb_temporary_files()
refused: SELECT * FROM duckdb_extensions()
refused: SELECT * FROM duckdb_logs
refused: SELECT * FROM duckdb_logs_parsed('FileSystem')
refused: SELECT * FROM duckdb_external_file_cache()
refused: SELECT * FROM duckdb_prepared_statements()
refused: SELECT * FROM pragma_storage_info('plain')
refused: SELECT * FROM pragma_metadata_info()
refused: SELECT * FROM pragma_user_agent()
refused: SELECT * FROM pragma_database_size()
refused: SELECT getvariable('a')
refused: SELECT current_setting('home_directory')
refused: SELECT current_setting('secret_directory')
refused: SELECT getenv('SECRET')
refused: SELECT * FROM query('SELECT getenv(''SECRET'')')
refused: SELECT * FROM query_table('plain')
refused: SELECT * FROM query_table(['plain', 'harmless'], true)
refused: SELECT json_deserialize_sql(json_serialize_sql('SELECT 1'))
refused: PRAGMA json_execute_serialized_sql('{}')
refused: SELECT * FROM json_execute_serialized_sql('{"statements": []}')
refused: SELECT * FROM plain AT (VERSION => 1)
refused: SELECT * FROM plain AT (TIMESTAMP => now())
refused: SELECT * FROM seq_scan('plain')
refused: SELECT * FROM pandas_scan(0)
refused: SELECT * FROM arrow_scan(0, 0, 0)
refused: SELECT * FROM python_map_function(0)
refused: SELECT * FROM checkpoint()
refused: SELECT * FROM force_checkpoint()
refused: SELECT * FROM enable_profiling()
refused: SELECT * FROM enable_profiling(save_location = '@new@')
refused: SELECT * FROM enable_logging(storage = 'stdout')
refused: SELECT * FROM register_external_resource('a', 'b')
refused: SELECT * FROM add_grammar_extension('a')
refused: CALL add_parquet_key('a', 'b')
refused: PRAGMA add_parquet_key('a', 'b')
refused: SELECT write_log('a')
refused: SELECT * FROM duckdb_table_sample('plain')
refused: LOAD '@db@'
refused: INSTALL '@new@'
refused: INSTALL httpfs FROM '@url@'
refused: ATTACH '@db@' AS again (READ_ONLY)
refused: ATTACH OR REPLACE ':memory:' AS siege
refused: COPY (SELECT 1) TO '@db@' (FORMAT csv, USE_TMP_FILE false)
refused: COPY plain TO '@db@.wal' (FORMAT csv, USE_TMP_FILE false)
refused: COPY (SELECT '@secret@') TO '/dev/stdout'
refused: COPY plain TO '@folder@' (FORMAT parquet, PARTITION_BY (a), OVERWRITE)
refused: COPY DATABASE siege TO memory
refused: SET allowed_paths = ['@secret@']
refused: SET SESSION home_directory = '@folder@'
refused: SET custom_extension_repository = '@url@'
refused: SET VARIABLE a = (SELECT content FROM read_text('@secret@'))
refused: SET threads TO 64
refused: SET file_search_path = '@folder@'
refused: SET http_logging_output = '@new@'
refused: SET profile_output = '@new@'
refused: SET log_query_path = '@new@'
refused: PRAGMA log_query_path = '@new@'
refused: CREATE TEMP TABLE z AS SELECT 1
refused: CREATE OR REPLACE TEMP VIEW plain AS SELECT 1
refused: CREATE TEMP MACRO lower(x) AS 1
refused: CREATE TRIGGER z AFTER INSERT ON plain EXECUTE (DELETE FROM plain)
refused: CREATE TYPE z AS ENUM (SELECT content FROM read_text('@secret@'))
refused: CREATE TABLE z (a VARCHAR DEFAULT (read_text('@secret@')))
refused: EXECUTE IMMEDIATE 'SELECT 1'
refused: DO $$ SELECT 1 $$
refused: LOAD httpfs; SELECT 1
refused: VACUUM INTO '@new@'
refused: SELECT 1 INTO OUTFILE '@new@'
refused: SELECT lo_export(1, '@new@')
refused: SELECT pg_read_file('@secret@')
refused: .read @secret@
refused: .shell ls
refused: !ls
refused: SELECT content FROM read_text('@secret@') WHERE write_log(content) IS NULL
refused: SELECT test_all_types()
