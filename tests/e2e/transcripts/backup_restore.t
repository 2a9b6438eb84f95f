A drill restores into a scratch server.

  $ mkdir -m 700 backups
  $ strongroom backup create --service parcels --env dev --folder backups > create.txt
  $ strongroom backup restore backups/*.encrypted --service parcels --env dev --drill
  parcels-dev-20260102T030405Z.dump.encrypted can be restored: 1 table, 2 rows, 0.1 s

A file that is not a backup.

  $ strongroom backup restore README.md --service parcels --env dev --drill
  error: README.md is not an encrypted file, or its header was altered; pass another one
  [1]
