Each environment is read with a credential of its own.

  $ strongroom environments diff dev prod
  error: no credential for prod is configured: pass --credentials with a folder of prod/role-id and prod/secret-id
  [1]

One environment alone.

  $ strongroom environments diff dev
  strongroom: Invalid value: dev is like no other environment: pass a second one
  [64]
