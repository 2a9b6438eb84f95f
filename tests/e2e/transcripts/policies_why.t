The rule that allows a request, and those that are about the path, too.

  $ strongroom policies why secret/data/parcels/dev/carrier-token read --env dev --role parcels-dev
  approle parcels-dev may read secret/data/parcels/dev/carrier-token: a rule allows it
    decided by parcels-dev:4: path "secret/data/parcels/dev/carrier-token" with read

A request that is refused.

  $ strongroom policies why secret/data/labels/dev/api-key read --env dev --role parcels-dev
  approle parcels-dev may not read secret/data/labels/dev/api-key: no rule is about the path
  [2]
  $ strongroom policies why secret/data/parcels/dev/carrier-token update --env dev --role parcels-dev
  approle parcels-dev may not update secret/data/parcels/dev/carrier-token: the rule lacks the capability
    decided by parcels-dev:4: path "secret/data/parcels/dev/carrier-token" with read
  [2]

A name that nothing has.

  $ strongroom policies why sys/mounts read --env dev --role parcel-dev
  error: no role 'parcel-dev' (expected developer, labels-dev, labels-dev-starter, parcels-apply, parcels-auditor, parcels-dev, parcels-dev-starter, parcels-plan or parcels-rotator; did you mean 'parcels-dev'?)
  [1]

An operation that the server does not have.

  $ strongroom policies why sys/mounts write --env dev --role parcels-dev
  error: no operation 'write'; use create, delete, help, list, patch, read, renew, revoke, rollback, scan or update
  [1]
