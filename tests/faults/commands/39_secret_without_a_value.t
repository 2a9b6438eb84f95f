  $ sed -i 's/^secrets:/&\n  stamp-token: {source: given}/' services/parcels.yaml
  $ strongroom apply --env dev > apply.txt

The service has a new secret, and its program does not start.

  $ strongroom run --service parcels -- true
  error: required secrets cannot be read:
    stamp-token: has no value; strongroom put stamp-token writes one, strongroom apply a generated one
  [1]

The mend.

  $ printf stamp-1a2b3c | strongroom put stamp-token --service parcels > put.txt
  $ strongroom run --service parcels -- true
