  $ sed -i 's/>=0.1.0/>=99.0/' strongroom.yaml

The required version was edited; the newest release is 0.1.0.

  $ strongroom check
  error: strongroom.yaml:3: requires is '>=99.0' (expected one that 0.1.0 fulfils; correct it, or install strongroom>=99.0)
  [1]

The mend.

  $ sed -i 's/>=99.0/>=0.1.0/' strongroom.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
