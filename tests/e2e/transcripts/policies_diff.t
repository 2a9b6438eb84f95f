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


A policy that does not exist.

  $ strongroom policies diff parcels
  error: strongroom has no policy 'parcels' (expected apply-scoped, developer, service, starter, strongroom-apply, strongroom-auditor, strongroom-plan or strongroom-rotator)
  [1]
