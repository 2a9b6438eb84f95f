One step back, and what must be true before it.

  $ strongroom migrate run migrations/letters.yaml --env dev > run.txt
  [2]
  $ strongroom migrate undo migrations/letters.yaml --env dev --yes
  undone: the table is as it was before the migration, and so is what the catalogue has about it.

Before the begin there is nothing to undo.

  $ strongroom migrate undo migrations/letters.yaml --env dev --yes
  error: migration letters: this database has none of that name: it was not begun, or was undone; check the name, or begin with strongroom migrate run
  [1]
