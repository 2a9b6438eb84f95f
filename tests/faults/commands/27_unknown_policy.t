The policy of services should be edited.

  $ strongroom policies override parcels
  error: strongroom has no policy 'parcels' (expected apply-scoped, developer, service, starter, strongroom-apply, strongroom-auditor, strongroom-plan or strongroom-rotator)
  [1]

The mend.

  $ strongroom policies override service
  wrote policies/service.hcl.j2; edit it, then: strongroom plan --env dev
