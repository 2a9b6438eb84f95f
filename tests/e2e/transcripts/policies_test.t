Each service has a line.

  $ strongroom policies test --env dev
  parcels-dev: 24 of 24 rows hold
  labels-dev: 10 of 10 rows hold

A row that does not hold is named, and the exit code is 2.

  $ sed -i '0,/expect: allow/s//expect: deny/' policies/labels.tests.yaml
  $ strongroom policies test --env dev --service labels
  policies/labels.tests.yaml:6: read on secret/data/labels/dev/api-key in dev: expected deny, granted: read
  labels-dev: 9 of 10 rows hold
  In each row above, correct what it expects (allow or deny), or the declaration and its policies, and apply them.
  [2]
