The encrypted file is written in silence.

  $ echo '{"name": "Ada"}' > notes.json
  $ strongroom file encrypt notes.json notes.encrypted --service parcels --env dev

A file that is there is not overwritten.

  $ strongroom file encrypt notes.json notes.encrypted --service parcels --env dev
  error: notes.encrypted exists; name another file, or add --force
  [1]
