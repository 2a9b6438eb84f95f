  $ sed -i '0,/expect: allow/s//expect: deny/' policies/labels.tests.yaml

The tests of a policy are run.

  $ strongroom policies test --env dev --service labels
  policies/labels.tests.yaml:6: read on secret/data/labels/dev/api-key in dev: expected deny, granted: read
  labels-dev: 9 of 10 rows hold
  In each row above, correct what it expects (allow or deny), or the declaration and its policies, and apply them.
  [2]

The mend.

  $ sed -i '0,/expect: deny/s//expect: allow/' policies/labels.tests.yaml
  $ strongroom policies test --env dev --service labels
  labels-dev: 10 of 10 rows hold
