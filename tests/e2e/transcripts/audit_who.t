Who read a secret, from where and when.

  $ strongroom audit who api-key --env dev --service labels | sed -n '4,6p' | cut -c -40
  Requests to the server
  actor       host  address  use   outcome
  labels-dev  -     -        read  ok

A mistyped secret.

  $ strongroom audit who api-kye --env dev --service labels
  error: labels has no secret, key or database role 'api-kye' in dev; did you mean 'api-key'?
  [1]
