refused: INSTALL httpfs
refused: FORCE INSTALL httpfs FROM community
refused: LOAD httpfs
refused: LOAD '@new@'
refused: UPDATE EXTENSIONS
refused: FROM duckdb_extensions()
