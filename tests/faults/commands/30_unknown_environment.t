Ada looks at what would change.

  $ strongroom plan --env staging
  error: no environment 'staging' is declared (expected dev or prod); declare a new one in environments/staging.yaml
  [1]

The mend.

  $ strongroom plan --env dev
  Plan: 0 to create, 0 to change, 0 to delete, 41 unchanged, 0 without a value.
