  $ echo Ada | strongroom file encrypt - notes.encrypted --service parcels --env dev --context customer=7

A file of customer 7 is opened.

  $ strongroom file decrypt notes.encrypted --service parcels --env dev
  error: notes.encrypted: the file is not authentic for this key and context, or a newer strongroom-sdk wrote it; pass those that it was encrypted with, or upgrade; a context is --context NAME=TEXT
  [1]

The mend.

  $ strongroom file decrypt notes.encrypted --service parcels --env dev --context customer=7
  Ada
