  $ for file in .strongroom/service-credentials/parcels-dev/secret-id*; do echo 00000000-0000-0000-0000-000000000000 > $file; done

The service worked yesterday.

  $ strongroom doctor --service parcels | tail -2; (exit ${PIPESTATUS[0]})
  FAILED login: login at http://127.0.0.1:18200 was rejected: POST auth/approle/login: status 400: invalid role or secret ID; check its path and values
         to do: the role-id or secret-id is wrong, of another server, expired or used up: check /home/ada/projects/parcels/.strongroom/service-credentials/parcels-dev/role-id and /home/ada/projects/parcels/.strongroom/service-credentials/parcels-dev/secret-id, or issue a new secret-id, on a local deployment with strongroom up
  [2]

The mend.

  $ strongroom up > up.txt
  $ strongroom doctor --service parcels | tail -2
  ok     secret webhook-key: has a value
  ok     database: v-approle-parcels--…
