"""SQL as DuckDB writes and reads it: DDL, statements, names of types, paths of JSON members."""
