A faultless declaration takes one line.

  $ strongroom check
  No error in the declaration, its templates and its policies.

A fault is shown with its file and line, with what is expected there and what may have been meant.

  $ sed -i '0,/source: given/s//source: givne/' services/parcels.yaml
  $ strongroom check
  services/parcels.yaml:10: secrets.carrier-token.source is 'givne' (expected derived, generated or given; did you mean 'given'?)
  [2]
