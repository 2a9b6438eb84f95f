  $ sed -i 's/^secrets:/&\n  page-key: {source: generated, length: 48}/' services/parcels.yaml

The service has a new secret.

  $ strongroom doctor --service parcels | tail -3; (exit ${PIPESTATUS[0]})
  ok     secret mail-password: has a value
  FAILED secret page-key: GET secret/data/parcels/dev/page-key: denied or absent; check the name, and that it was applied, or add path "secret/data/parcels/dev/page-key" { capabilities = ["read"] }
         to do: strongroom plan --env dev, then strongroom apply --env dev
  [2]

The mend.

  $ strongroom apply --env dev > apply.txt
  $ strongroom doctor --service parcels | tail -3
  ok     secret session-key: has a value
  ok     secret webhook-key: has a value
  ok     database: v-approle-parcels--…
