Somebody asks who read a key.

  $ strongroom audit who api-kye --env dev --service labels
  error: labels has no secret, key or database role 'api-kye' in dev; did you mean 'api-key'?
  [1]

The mend.

  $ strongroom audit who api-key --env dev --service labels | sed -n 4p
  Requests to the server
