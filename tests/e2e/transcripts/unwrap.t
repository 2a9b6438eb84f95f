A folder without a wrapped secret-id.

  $ strongroom unwrap .. --env prod --role labels-prod
  error: ../wrapped-secret-id does not exist: it was opened before, or was not handed over. If its opening was interrupted, the secret-id is lost; issue another: 'bao write -force -wrap-ttl=24h -field=wrapping_token auth/approle/role/labels-prod/secret-id > wrapped-secret-id'
  [1]
