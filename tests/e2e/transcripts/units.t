The files of a timer.

  $ strongroom units --job ledger --for systemd --env prod --out timers --repository /srv/parcels --metrics /var/lib/node_exporter/ledger.prom
  wrote timers/strongroom-prod-ledger.service
  wrote timers/strongroom-prod-ledger.timer
  wrote timers/strongroom-job-failed@.service
  wrote timers/strongroom-prod-ledger.sysusers.conf

What the job needs and was not named.

  $ strongroom units --job ledger --for systemd --env prod --out timers
  error: the job ledger reads the deployment's repository; name its folder with --repository, as it is where the job runs
  [1]
