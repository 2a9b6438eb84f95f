What a month would cost on AWS.

  $ strongroom aws cost --env prod --instances 10
  prod in a month: 6 secrets and 1 keys for $3.40, and requests:

  instances  a request for each use  cost     with the SDK  cost
  10         210,240,000             $946.08  703,846       $3.52

  Reads of each secret in a second, by each instance: assumed: 1.
  Values encrypted with each key, likewise: assumed: 1.
  Values decrypted, written within 30 days: assumed: 1.
  Data keys are in a table, each under the branch key of 30 days.
  An instance is one process, started 30 times in a month.

An environment that is not declared.

  $ strongroom aws cost --env staging
  error: no environment 'staging' is declared (expected dev or prod); declare a new one in environments/staging.yaml
  [1]
