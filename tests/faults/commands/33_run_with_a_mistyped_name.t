A script needs one value.

  $ strongroom run --name carier-token --service parcels -- printenv CARRIER_TOKEN
  error: secret 'carier-token' is not declared; did you mean 'carrier-token'? Otherwise add it to the declaration
  [1]

The mend.

  $ strongroom run --name carrier-token --service parcels -- printenv CARRIER_TOKEN
  tok-9f8e7d6c5b4a3f
