Without a change the command writes nothing, and says so.

  $ strongroom apply --env dev
  Plan: 0 to create, 0 to change, 0 to delete, 41 unchanged, 0 without a value.

A server outside this machine needs the credential of an operator.

  $ strongroom apply --env prod
  error: no credential of parcels-apply is configured: set STRONGROOM_OPERATOR_ROLE_ID_FILE and STRONGROOM_OPERATOR_SECRET_ID_FILE to its files, or STRONGROOM_OPERATOR_JWT_FILE to that of a JWT
  [1]
