  $ echo Ada > notes.txt; cp notes.txt notes.encrypted

A file is encrypted again.

  $ strongroom file encrypt notes.txt notes.encrypted --service parcels --env dev
  error: notes.encrypted exists; name another file, or add --force
  [1]

The mend.

  $ strongroom file encrypt notes.txt notes.encrypted --service parcels --env dev --force
