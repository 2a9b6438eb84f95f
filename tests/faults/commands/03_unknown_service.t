  $ sed -i 's/^  parcels: /  parcel: /' environments/dev.yaml

Dev was edited, and a service of it is not found.

  $ strongroom check
  environments/dev.yaml:28: services has the unknown service 'parcel' (expected labels or parcels; did you mean 'parcels'?)
  [2]

The mend.

  $ sed -i 's/^  parcel: /  parcels: /' environments/dev.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
