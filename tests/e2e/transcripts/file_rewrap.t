A person's key is added to the recipients.

  $ echo '{"name": "Ada"}' | strongroom file encrypt - notes.encrypted --service parcels --env dev
  $ strongroom file rewrap notes.encrypted --service parcels --env dev --key pii --recipient "$(strongroom dev-values key 2> /dev/null)"

Without the right to rewrap, the message shows the line of the policy.

  $ strongroom file rewrap notes.encrypted --service parcels --env dev
  error: POST transit/rewrap/parcels-dev-pii: denied or absent; check the name, and that it was applied, or add path "transit/rewrap/parcels-dev-pii" { capabilities = ["update"] }
  [1]
