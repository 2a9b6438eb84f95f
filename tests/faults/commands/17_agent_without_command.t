The agent of labels should run on a host, whose program is /opt/labels/serve.

  $ strongroom agent build --service labels --env prod --for systemd --out units
  error: config.health in services/labels.yaml is not declared, and without the application's command nothing else shows how it runs; declare it, or give the command after --
  [1]

The mend.

  $ strongroom agent build --service labels --env prod --for systemd --out units -- /opt/labels/serve
  wrote units/agent.hcl
  wrote units/templates/app.yaml.ctmpl
  wrote units/strongroom-labels-agent.service
  wrote units/labels.service
  wrote units/strongroom-labels.sysusers.conf
