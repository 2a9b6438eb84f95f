Who read which version of a secret.

  $ strongroom audit version api-key --env dev --service labels | tail -3 | cut -c -44
  Readers
  version  state    actor       host  address
  1        current  labels-dev  -     -

The service is needed, because names are its own.

  $ strongroom audit version api-key --env dev
  strongroom: Missing option '--service'.
  [64]
