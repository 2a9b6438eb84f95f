Each part that works has a line, in the order in which a service needs them.

  $ strongroom doctor --service parcels
  ok     settings: parcels-dev
  ok     address: http://127.0.0.1:18200 accepts connections
  ok     TLS: not needed: the address is on this machine
  ok     API: version 2.7.2
  ok     clock: within 60 s of the server's
  ok     seal: the server is unsealed
  ok     login: by approle
  ok     secret carrier-token: has a value
  ok     secret database-url: has a value
  ok     secret mail-password: has a value
  ok     secret session-key: has a value
  ok     secret webhook-key: has a value
  ok     database: v-approle-parcels--…

A secret that was declared and not applied yet is the first part that fails, with what to do.

  $ sed -i 's/^secrets:/&\n  page-key: {source: generated, length: 48}/' services/parcels.yaml
  $ strongroom doctor --service parcels
  ok     settings: parcels-dev
  ok     address: http://127.0.0.1:18200 accepts connections
  ok     TLS: not needed: the address is on this machine
  ok     API: version 2.7.2
  ok     clock: within 60 s of the server's
  ok     seal: the server is unsealed
  ok     login: by approle
  ok     secret carrier-token: has a value
  ok     secret database-url: has a value
  ok     secret mail-password: has a value
  FAILED secret page-key: GET secret/data/parcels/dev/page-key: denied or absent; check the name, and that it was applied, or add path "secret/data/parcels/dev/page-key" { capabilities = ["read"] }
         to do: strongroom plan --env dev, then strongroom apply --env dev
  [2]
