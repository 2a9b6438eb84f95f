The ledger should be printed each night, on a host where the repository is in /srv/parcels.

  $ strongroom units --job ledger --for systemd --env prod --out timers --metrics /srv/ledger.prom
  error: the job ledger reads the deployment's repository; name its folder with --repository, as it is where the job runs
  [1]

The mend.

  $ strongroom units --job ledger --for systemd --env prod --out timers --metrics /srv/ledger.prom --repository /srv/parcels
  wrote timers/strongroom-prod-ledger.service
  wrote timers/strongroom-prod-ledger.timer
  wrote timers/strongroom-job-failed@.service
  wrote timers/strongroom-prod-ledger.sysusers.conf
