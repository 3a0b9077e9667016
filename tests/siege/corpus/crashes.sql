-- What ended the process or never came back, in short.
refused: SELECT json_transform('{"a": 1}', '{"a": "INTEGER"}')
refused: SELECT json_transform_strict('[1]', '["INTEGER"]')
refused: SELECT from_json('{"a": 1}', '{"a": "INTEGER"}')
refused: SELECT from_json_strict('{"a": 1}', '{"a": "INTEGER"}')
refused: SELECT '[[1]]'::JSON::VARIANT
refused: SELECT CAST(1 AS VARIANT)
refused: SELECT TRY_CAST(a AS VARIANT) FROM plain
refused: SELECT variant_extract(1::VARIANT, 'a')
refused: SELECT reservoir_quantile(0.5, [])
refused: FROM/**/date(1)
