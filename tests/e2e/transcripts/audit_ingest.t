The log's lines are counted once, however often they are read.

  $ strongroom audit ingest --env dev --store ../records
  1,234 lines in the store, 1,234 new
  $ rm -r ../records

An environment that is not declared.

  $ strongroom audit ingest --env staging
  error: no environment 'staging' is declared (expected dev or prod); declare a new one in environments/staging.yaml
  [1]
