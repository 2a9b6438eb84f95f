Who can decrypt the file, and under which version of the key.

  $ echo '{"name": "Ada"}' | strongroom file encrypt - notes.encrypted --service parcels --env dev
  $ strongroom file inspect notes.encrypted
  {
    "body": "chunks",
    "bytes": 16,
    "context": {
      "service": "parcels",
      "environment": "dev"
    },
    "recipients": [
      "parcels/dev/pii"
    ],
    "key_versions": {
      "parcels/dev/pii": 1
    },
    "damaged": false
  }

A file that is not encrypted.

  $ strongroom file inspect README.md
  error: README.md: the file is not authentic for this key and context, or a newer strongroom-sdk wrote it; pass those that it was encrypted with, or upgrade; a context is --context NAME=TEXT
  [1]
