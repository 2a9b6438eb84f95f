A migration that has begun takes the change at once.

  $ strongroom migrate run migrations/letters.yaml --env dev > run.txt
  [2]
  $ strongroom migrate throttle migrations/letters.yaml --env dev --duty 0.5
  letters: duty 0.5.
  $ strongroom migrate undo migrations/letters.yaml --env dev --yes > undo.txt

One that has not begun is named.

  $ strongroom migrate throttle migrations/letters.yaml --env dev --duty 0.5
  error: migration letters: this database has none of that name: it was not begun, or was undone; check the name, or begin with strongroom migrate run
  [1]
