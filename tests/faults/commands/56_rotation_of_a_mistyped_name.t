A secret is rotated.

  $ strongroom rotate api-kye --env dev --service labels --dry-run
  error: nothing in dev is called 'api-kye'; did you mean 'api-key'?
  [1]

The mend.

  $ strongroom rotate api-key --env dev --service labels --dry-run
  labels secret api-key replaces 1; steps: create, set, test, promote, consumers, retire
