Who may read a secret, who may do so through metadata only, and the rule.

  $ strongroom policies who secret/data/parcels/dev/carrier-token --env dev
  who                      may                                              by the rule
  approle parcels-apply    create, delete, list, patch, read, sudo, update  parcels-apply:3
  approle parcels-rotator  create, read, update                             parcels-rotator:16
  approle parcels-dev      read                                             parcels-dev:4
  userpass developer       create, delete, read, update                     parcels-developer:9
  $ strongroom policies who secret/metadata/parcels/dev/carrier-token --env dev
  who                      may                                              by the rule
  approle parcels-plan     list, read                                       parcels-plan:31
  approle parcels-apply    create, delete, list, patch, read, sudo, update  parcels-apply:3
  approle parcels-rotator  list, read                                       parcels-rotator:19
  approle parcels-auditor  list, read                                       parcels-auditor:26
  userpass developer       list, read                                       parcels-developer:12

A path that is declared nowhere: only the job that applies, as its role is not scoped.

  $ strongroom policies who secret/data/else --env dev
  who                    may                                              by the rule
  approle parcels-apply  create, delete, list, patch, read, sudo, update  parcels-apply:3
