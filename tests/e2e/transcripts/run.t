The program finds the service's secrets in its variables.

  $ strongroom run --service parcels -- sh -c 'echo "$CARRIER_TOKEN" | cut -c -4'
  tok-

A service that is not declared is answered by the name that may have been meant.

  $ strongroom run --service parcel -- env
  error: no service in dev 'parcel' is declared (expected labels or parcels; did you mean 'parcels'?)
  [1]
