The content goes to standard output.

  $ echo '{"name": "Ada"}' | strongroom file encrypt - notes.encrypted --service parcels --env dev
  $ strongroom file decrypt notes.encrypted --service parcels --env dev
  {"name": "Ada"}

A file that was not encrypted for this service.

  $ strongroom file decrypt README.md --service parcels --env dev
  error: README.md: the file is not authentic for this key and context, or a newer strongroom-sdk wrote it; pass those that it was encrypted with, or upgrade; a context is --context NAME=TEXT
  [1]
