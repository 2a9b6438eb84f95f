What the server has already is counted, and needs no line.

  $ strongroom plan
  Plan: 0 to create, 0 to change, 0 to delete, 41 unchanged, 0 without a value.

A secret that was declared since is a line of its own, and the exit code is 2.

  $ sed -i 's/^secrets:/&\n  page-key: {source: generated, length: 48}/' services/parcels.yaml
  $ strongroom plan
  ~ policy parcels-dev
      policy:
        @@ -10,2 +10,5 @@
         path "secret/data/parcels/dev/mail-password" {
        +  capabilities = ["read"]
        +}
        +path "secret/data/parcels/dev/page-key" {
           capabilities = ["read"]
  ~ policy parcels-rotator
      policy:
        @@ -23,2 +23,11 @@
         # Records of rotations, and new values until they are promoted.
        +path "secret/data/_strongroom/dev/rotation/secret/parcels/dev/page-key" {
        +  capabilities = ["create", "read", "update"]
        +}
        +path "secret/metadata/_strongroom/dev/rotation/secret/parcels/dev/page-key" {
        +  capabilities = ["create", "read", "update"]
        +}
        +path "secret/destroy/_strongroom/dev/rotation/secret/parcels/dev/page-key" {
        +  capabilities = ["update"]
        +}
         path "secret/data/_strongroom/dev/rotation/secret/parcels/dev/session-key" {
  + secret-metadata parcels/dev/page-key
      managed_by: 'strongroom'
      deployment: 'parcels'
      owner: 'ada'
      environment: 'dev'
      rotate_every: absent
  + secret-value parcels/dev/page-key
      value: 'present'
  ! update policy parcels-dev: it grants more: read on secret/data/parcels/dev/page-key (parcels-dev:13)
  ! update policy parcels-rotator: it grants more: create, read, update on secret/data/_strongroom/dev/rotation/secret/parcels/dev/page-key (parcels-rotator:24)
  ! update policy parcels-rotator: it grants more: update on secret/destroy/_strongroom/dev/rotation/secret/parcels/dev/page-key (parcels-rotator:30)
  ! update policy parcels-rotator: it grants more: create, read, update on secret/metadata/_strongroom/dev/rotation/secret/parcels/dev/page-key (parcels-rotator:27)
  Plan: 2 to create, 2 to change, 0 to delete, 39 unchanged, 0 without a value.
  [2]

An environment that is not declared is answered by those that are.

  $ strongroom plan --env staging
  error: no environment 'staging' is declared (expected dev or prod); declare a new one in environments/staging.yaml
  [1]
