The agent of labels should run on a host.

  $ strongroom agent build --service label --env prod --for systemd --out units -- /opt/labels/serve
  error: no service 'label' is declared (expected labels or parcels; did you mean 'labels'?)
  [1]

The mend.

  $ strongroom agent build --service labels --env prod --for systemd --out units -- /opt/labels/serve
  wrote units/agent.hcl
  wrote units/templates/app.yaml.ctmpl
  wrote units/strongroom-labels-agent.service
  wrote units/labels.service
  wrote units/strongroom-labels.sysusers.conf
