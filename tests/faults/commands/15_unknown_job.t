The ledger should be printed each night.

  $ strongroom units --job ledgers --for systemd --env prod --out timers --repository /srv/parcels --metrics /srv/ledger.prom
  strongroom: Invalid value for '--job': Value error, 'ledgers' is not one of 'audit-archive', 'audit-anomalies', 'audit-devices', 'backup-database', 'ledger', 'rotate-due'.
  [64]

The mend.

  $ strongroom units --job ledger --for systemd --env prod --out timers --repository /srv/parcels --metrics /srv/ledger.prom
  wrote timers/strongroom-prod-ledger.service
  wrote timers/strongroom-prod-ledger.timer
  wrote timers/strongroom-job-failed@.service
  wrote timers/strongroom-prod-ledger.sysusers.conf
