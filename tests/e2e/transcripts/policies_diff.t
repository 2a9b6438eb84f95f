How the deployment's template differs from today's.

  $ strongroom policies override service > override.txt
  $ sed -i '1s/^/# Reviewed by ada.\n/' policies/service.hcl.j2
  $ strongroom policies diff service
  --- strongroom/service.hcl.j2
  +++ policies/service.hcl.j2
  @@ -1,3 +1,4 @@
  +# Reviewed by ada.
   # base: sha256:0000000000000000000000000000000000000000000000000000000000000000
   # Lets {{ service }} in {{ environment }} use what its declaration lists, and nothing else.


What another version of a policy allows beyond this one.

  $ printf 'path "kv/parcels/*" {\n  capabilities = ["read"]\n}\n' > old.hcl
  $ printf 'path "kv/+/labels" {\n  capabilities = ["read"]\n}\n' > new.hcl
  $ rm policies/service.hcl.j2
  $ strongroom policies diff old.hcl new.hcl --env dev
  old allows more: read on kv/+/labels (new.hcl:1), such as: read kv/j/labels
  old allows less: read on kv/parcels/* (old.hcl:1), such as: read kv/parcels/
  [2]

A rule that this checkout has and the last commit has not. Its comment gives no reason.

  $ strongroom policies override service > override.txt
  $ cat >> policies/service.hcl.j2 << END
  > # Labels of all services.
  > path "{{ mounts.kv }}/data/labels/{{ environment }}/+" {
  >   capabilities = ["read"]
  > }
  > END
  $ strongroom policies diff HEAD . --env prod
  labels-prod allows more: read on secret/data/labels/prod/+ (.:labels-prod:23), such as: read secret/data/labels/prod/
  labels-prod is the policy of approle labels-prod
  parcels-prod allows more: read on secret/data/labels/prod/+ (.:parcels-prod:61), such as: read secret/data/labels/prod/
  parcels-prod is the policy of approle parcels-prod
  [2]

With a reason.

  $ sed -i 's/# Labels/# widens: parcels prints the labels/' policies/service.hcl.j2
  $ strongroom policies diff HEAD . --env prod
  labels-prod allows more: read on secret/data/labels/prod/+ (.:labels-prod:23), such as: read secret/data/labels/prod/; reason: parcels prints the labels of all services.
  labels-prod is the policy of approle labels-prod
  parcels-prod allows more: read on secret/data/labels/prod/+ (.:parcels-prod:61), such as: read secret/data/labels/prod/; reason: parcels prints the labels of all services.
  parcels-prod is the policy of approle parcels-prod
  $ rm policies/service.hcl.j2

A policy that does not exist.

  $ strongroom policies diff parcels
  error: strongroom has no policy 'parcels' (expected apply-scoped, developer, service, starter, strongroom-apply, strongroom-auditor, strongroom-plan or strongroom-rotator)
  [1]

Nothing that could be compared.

  $ strongroom policies diff v1.0 . --env dev
  error: 'v1.0' is no file, folder or commit here, and not 'server'; name one of these
  [1]
