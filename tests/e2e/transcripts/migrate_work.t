Another worker joins a pass; before it there is nothing to do.

  $ strongroom migrate run migrations/letters.yaml --env dev > run.txt
  [2]
  $ strongroom migrate work migrations/letters.yaml --env dev
  letters: no pass runs now.
  $ strongroom migrate undo migrations/letters.yaml --env dev --yes > undo.txt

A migration that has not begun has no work.

  $ strongroom migrate work migrations/letters.yaml --env dev
  error: migration letters: this database has none of that name: it was not begun, or was undone; check the name, or begin with strongroom migrate run
  [1]
