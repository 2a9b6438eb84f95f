A program runs with its secrets.

  $ strongroom run --service parcel -- true
  error: no service in dev 'parcel' is declared (expected labels or parcels; did you mean 'parcels'?)
  [1]

The mend.

  $ strongroom run --service parcels -- true
