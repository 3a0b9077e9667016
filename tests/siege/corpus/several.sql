refused: SELECT 1; COPY plain TO '@new@'
refused: SELECT 1; SELECT 2
refused: SELECT 1;; SET threads = 64;
error: ;
error: -- nothing
