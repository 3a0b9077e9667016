refused: FROM '@url@/a.csv'
refused: FROM read_csv('@url@/a.csv')
refused: FROM read_text('s3://bucket/a')
refused: COPY plain TO 's3://bucket/a.csv'
