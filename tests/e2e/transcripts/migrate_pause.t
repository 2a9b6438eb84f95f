A migration that has begun takes the change at once.

  $ strongroom migrate run migrations/letters.yaml --env dev > run.txt
  [2]
  $ strongroom migrate pause migrations/letters.yaml --env dev
  letters: paused.
  $ strongroom migrate undo migrations/letters.yaml --env dev --yes > undo.txt

One that has not begun is named.

  $ strongroom migrate pause migrations/letters.yaml --env dev
  error: migration letters: this database has none of that name: it was not begun, or was undone; check the name, or begin with strongroom migrate run
  [1]
