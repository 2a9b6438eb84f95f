Ada prepares to go back.

  $ strongroom export-env --service parcels --out ../parcels.rollback
  strongroom: Missing option '--reason'.
  [64]

The mend.

  $ strongroom export-env --service parcels --out ../parcels.rollback --reason drill
  wrote 5 secrets and the settings to ../parcels.rollback
  $ rm ../parcels.rollback
