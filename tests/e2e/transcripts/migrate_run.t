It goes on until the application must be deployed again, and says so.

  $ strongroom migrate run migrations/letters.yaml --env dev
  guarded: new columns and guard are there. Deploy the version that writes plaintext and new tokens (phase dual-writing).
  It waits until 2026-01-02 03:04:05+00:00 for a time without a writer that brings no new token.
  [2]
  $ strongroom migrate undo migrations/letters.yaml --env dev --yes > undo.txt

A plan file that does not exist.

  $ strongroom migrate run migrations/letter.yaml --env dev
  strongroom: Invalid value for 'plan': file 'migrations/letter.yaml' does not exist.
  [64]
