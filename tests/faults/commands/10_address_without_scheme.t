  $ sed -i 's|https://vault|vault|' environments/prod.yaml

The address of the production server was changed.

  $ strongroom check
  environments/prod.yaml:6: vault.address is 'vault.example.com:8200' (expected https://host:port or http://host:port, without user, path or query)
  [2]

The mend.

  $ sed -i 's|vault.example|https://vault.example|' environments/prod.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
