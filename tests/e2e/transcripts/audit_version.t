Who read which version of a secret.

  $ strongroom audit version api-key --env dev --service labels | tr -s ' ' | grep -o '^1 .* labels-dev'
  1 current labels-dev

The service is needed, because names are its own.

  $ strongroom audit version api-key --env dev
  strongroom: Missing option '--service'.
  [64]
