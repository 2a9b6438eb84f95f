  $ sed -i '0,/capability: read/s//capability: reed/' policies/labels.tests.yaml

A row was added to the tests of a policy.

  $ strongroom check
  policies/labels.tests.yaml:6: tests[0].capability is 'reed' (expected create, delete, list, patch, read, sudo or update; did you mean 'read'?)
  [2]

The mend.

  $ sed -i 's/reed/read/' policies/labels.tests.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
