The agent of labels should run on a host with systemd.

  $ strongroom agent build --service labels --env prod --for host --out units -- /opt/labels/serve
  strongroom: Invalid value for '--for': Value error, 'host' is not one of 'compose', 'kubernetes', 'systemd'.
  [64]

The mend.

  $ strongroom agent build --service labels --env prod --for systemd --out units -- /opt/labels/serve
  wrote units/agent.hcl
  wrote units/templates/app.yaml.ctmpl
  wrote units/strongroom-labels-agent.service
  wrote units/labels.service
  wrote units/strongroom-labels.sysusers.conf
