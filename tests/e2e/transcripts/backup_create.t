The backup is proved by a restore before the line is printed.

  $ mkdir -m 700 backups
  $ strongroom backup create --service parcels --env dev --folder backups
  backups/parcels-dev-20260102T030405Z.dump.encrypted: 1 table, 2 rows, 1.2 kB; verified by a restore in 0.1 s

The folder must exist.

  $ strongroom backup create --service parcels --env dev --folder backup
  error: backup is not a folder; create it first, with mode 0700
  [1]
