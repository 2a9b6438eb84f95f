  $ sed -i '0,/source: given/s//source: givne/' services/parcels.yaml

A secret was added in a hurry.

  $ strongroom check
  services/parcels.yaml:10: secrets.carrier-token.source is 'givne' (expected derived, generated or given; did you mean 'given'?)
  [2]

The mend.

  $ sed -i 's/givne/given/' services/parcels.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
