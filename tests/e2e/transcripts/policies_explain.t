On Vault the server is asked in its place.

  $ strongroom policies explain --env dev --service parcels --secret carrier-token
  error: dev is on Vault, whose server knows what a policy allows; ask it with strongroom policies test --env dev
  [1]
