  $ touch alerts

The alerts should be in a folder.

  $ strongroom monitoring build --out alerts
  error: alerts is a file; name a folder with --out
  [1]

The mend.

  $ rm alerts
  $ strongroom monitoring build --out alerts
  wrote alerts/rules.yml
  wrote alerts/prometheus.yml
  wrote alerts/alertmanager.yml
  wrote alerts/dashboard.json
