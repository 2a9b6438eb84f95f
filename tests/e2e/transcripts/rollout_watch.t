Prometheus cannot be reached, so that the new colour does not go on.

  $ strongroom rollout watch --service parcels --env prod --new green --old blue --prometheus http://127.0.0.1:9 --for 1s
  03:04:05 metrics: http://127.0.0.1:9 cannot be queried: ConnectionError; check that Prometheus runs there (not known yet)
  green does not go on: metrics: http://127.0.0.1:9 cannot be queried: ConnectionError; check that Prometheus runs there (not known yet)
  [2]

The colours must be named.

  $ strongroom rollout watch --service parcels --env prod
  strongroom: Missing option '--new'.
  [64]
