The reader sees how much was written where, and no value.

  $ strongroom export-env --service parcels --reason "rollback drill" --out ../parcels.rollback
  wrote 5 secrets and the settings to ../parcels.rollback
  $ rm ../parcels.rollback

A reason is needed, because it is recorded.

  $ strongroom export-env --service parcels
  strongroom: Missing option '--reason'.
  [64]
