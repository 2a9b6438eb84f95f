Where the migration is.

  $ strongroom migrate status migrations/letters.yaml --env dev | head -1
  letters: not begun, or undone.

A plan file that does not exist.

  $ strongroom migrate status migrations/letter.yaml --env dev
  strongroom: Invalid value for 'plan': file 'migrations/letter.yaml' does not exist.
  [64]
