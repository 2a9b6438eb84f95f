Who read a secret, from where and when.

  $ strongroom audit who api-key --env dev --service labels | tr -s ' ' | grep -o '^labels-dev .* ok'
  labels-dev - - read ok

A mistyped secret.

  $ strongroom audit who api-kye --env dev --service labels
  error: labels has no secret, key or database role 'api-kye' in dev; did you mean 'api-key'?
  [1]
