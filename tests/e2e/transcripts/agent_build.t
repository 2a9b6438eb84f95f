Each file is named.

  $ strongroom agent build --service labels --env prod --for systemd --out units -- /opt/labels/bin/serve
  wrote units/agent.hcl
  wrote units/templates/app.yaml.ctmpl
  wrote units/strongroom-labels-agent.service
  wrote units/labels.service
  wrote units/strongroom-labels.sysusers.conf

A service without a config file needs no agent.

  $ strongroom agent build --service parcels --env prod --for systemd --out units
  error: parcels has no config, so that it needs no agent: its application reads secrets by itself, with the units of docs/howto/Systemd.md or Compose.md, 'A service without a config file'; to have a file delivered, declare one in services/parcels.yaml
  [1]
