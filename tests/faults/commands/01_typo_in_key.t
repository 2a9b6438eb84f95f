  $ sed -i 's/^secrets:/secrts:/' services/parcels.yaml

Ada edited the service, and checks it before the commit.

  $ strongroom check
  services/parcels.yaml:7: the file has the unknown key 'secrts' (expected config, database, description, indexes, keys, owner, redis, secrets, service or settings; did you mean 'secrets'?)
  [2]

The mend.

  $ sed -i 's/^secrts:/secrets:/' services/parcels.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
