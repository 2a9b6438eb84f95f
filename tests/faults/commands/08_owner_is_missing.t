  $ sed -i '/^owner:/d' services/parcels.yaml

A service was copied from an old one.

  $ strongroom check
  services/parcels.yaml:1: the file lacks the key 'owner' (expected an e-mail address or a team)
  [2]

The mend.

  $ sed -i 's/^service:.*/&\nowner: ada/' services/parcels.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
