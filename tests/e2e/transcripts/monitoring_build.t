Each file is named.

  $ strongroom monitoring build --out monitoring
  wrote monitoring/rules.yml
  wrote monitoring/prometheus.yml
  wrote monitoring/alertmanager.yml
  wrote monitoring/dashboard.json

The folder must be named.

  $ strongroom monitoring build
  strongroom: Missing option '--out'.
  [64]
