"""DuckDB's SQL, compiled and parsed: DDL, statements, type names, JSON paths."""
