Each backup has a line.

  $ mkdir -m 700 backups
  $ strongroom backup create --service parcels --env dev --folder backups > create.txt
  $ strongroom backup list --folder backups
  parcels-dev-20260102T030405Z.dump.encrypted  1 table, 2 rows, 1.2 kB

A backup that was deleted is missed, and the exit code is 2.

  $ rm backups/*.encrypted; strongroom backup list --folder backups
  ✗ parcels-dev-20260102T030405Z.dump.encrypted: missing
  ✗ parcels-dev: no backup is intact
  [2]
