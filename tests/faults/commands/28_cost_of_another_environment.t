Ada asks what AWS would cost.

  $ strongroom aws cost --env staging
  error: no environment 'staging' is declared (expected dev or prod); declare a new one in environments/staging.yaml
  [1]

The mend.

  $ strongroom aws cost --env prod | head -1
  prod in a month: 6 secrets and 1 keys for $3.40, and requests:
