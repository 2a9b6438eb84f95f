The local deployment issues its own.

  $ strongroom issue-secret-id --service labels --env dev --out ../sid
  error: dev has a local server, which is bootstrapped when it starts; run strongroom up
  [1]

Elsewhere the credential of an operator is needed.

  $ strongroom issue-secret-id --service labels --env prod --out ../sid
  error: no credential of parcels-apply is configured: set STRONGROOM_OPERATOR_ROLE_ID_FILE and STRONGROOM_OPERATOR_SECRET_ID_FILE to its files, or STRONGROOM_OPERATOR_JWT_FILE to that of a JWT
  [1]
