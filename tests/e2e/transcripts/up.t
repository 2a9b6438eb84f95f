What runs already is left alone; below are the addresses and how to use them.

  $ strongroom up
  ✓ declaration applied 0.1 s
  All parts are running and match the declaration: nothing was changed.

  Vault API, web page  http://127.0.0.1:18200/ui/
  log in as            developer, method Username
  password in          /home/ada/projects/parcels/.strongroom/passwords/people/developer
  OpenBao (secrets)    127.0.0.1:18200
  PostgreSQL           127.0.0.1:15432
  Valkey (Redis)       127.0.0.1:16379
  SMTP sink            127.0.0.1:11025
  audit logs           /home/ada/projects/parcels/.strongroom/vault/audit

  service  variables                                               delivered
  parcels  /home/ada/projects/parcels/.strongroom/env/parcels.env
  labels   /home/ada/projects/parcels/.strongroom/env/labels.env   /home/ada/projects/parcels/.strongroom/config/labels/app.yaml

  get_secret('session-key')  →  [REDACTED]  (version 1)
  encrypt_field('ada@example.com', context={'customer': 7})  →  sr3.…
  decrypt_field(…)  →  'ada@example.com'
  database_engine().connect()  →  logged in to PostgreSQL: v-approle-parcels--… as parcels_owner

  Run a program with its secrets as variables:
    strongroom run --service parcels -- PROGRAM

  Use it from any shell:
    set -a; . /home/ada/projects/parcels/.strongroom/env/parcels.env; set +a
    python -c 'from app_integration import get_secret; print(get_secret("session-key"))'

A service that is not declared.

  $ strongroom up parcel
  error: no service in dev 'parcel' is declared (expected labels or parcels; did you mean 'parcels'?)
  [1]
