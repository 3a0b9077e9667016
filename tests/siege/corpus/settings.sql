refused: SET threads = 64
refused: SET GLOBAL memory_limit = '100GB'
refused: SET SESSION enable_progress_bar = true
refused: SET enable_external_access = true
refused: SET lock_configuration = false
refused: SET allowed_directories = ['@folder@']
refused: SET allowed_paths = ['@secret@']
refused: SET temp_directory = '@folder@'
refused: SET python_enable_replacements = true
refused: SET VARIABLE a = 1
refused: SET schema = 'main'
refused: RESET threads
refused: RESET lock_configuration
refused: PRAGMA threads = 64
refused: PRAGMA lock_configuration = false
refused: PRAGMA enable_profiling
refused: PRAGMA profiling_output = '@new@'
refused: PRAGMA enable_verification
refused: PRAGMA disable_optimizer
refused: PRAGMA disable_checkpoint_on_shutdown
refused: CALL enable_logging(storage = 'file', storage_path = '@new@')
refused: FROM enable_logging(storage = 'file', storage_path = '@new@')
refused: FROM enable_logging()
refused: FROM disable_logging()
refused: FROM truncate_duckdb_logs()
refused: SELECT write_log('planted')
refused: CALL force_checkpoint()
refused: CHECKPOINT
refused: VACUUM
refused: BEGIN TRANSACTION
