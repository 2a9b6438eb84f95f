What the code uses, compared with what the declared policy grants. The code is that of the repository, or in folders.

  $ mkdir src
  $ printf '%s\n' 'from app_integration import decrypt_field, encrypt_field, get_secret' 'from app_integration import database_engine' 'engine = database_engine()' 'get_secret("carrier-token")' > src/app.py
  $ strongroom policies check --env dev --service parcels
  parcels-dev: needs: 9, unused rules: 5
    nothing uses: update on transit/decrypt/parcels-dev-pii (parcels-dev:21)
    nothing uses: update on transit/encrypt/parcels-dev-pii (parcels-dev:24)
    nothing uses: read on secret/data/parcels/dev/session-key (parcels-dev:13)
    nothing uses: read on secret/data/parcels/dev/webhook-key (parcels-dev:16)
    nothing uses: read on secret/data/parcels/dev/mail-password (parcels-dev:10)
  [2]

A call that the server would refuse, and names that are not known.

  $ printf '%s\n' 'from app_integration import decrypt_field, encrypt_field, get_secret' 'get_secret("carrier-tokens")' 'get_secret(f"{kind}-key")' 'encrypt_field(address)' 'decrypt_field(address)' > src/letters.py
  $ strongroom policies check --env dev --service parcels --code src
  parcels-dev: needs: 13, unused rules: 1
    nothing uses: read on secret/data/parcels/dev/mail-password (parcels-dev:10)
  src/letters.py:2: get_secret() gets a 403 for the secret 'carrier-tokens'
    declare it for parcels-dev, whose policy then has: path "secret/data/parcels/dev/carrier-tokens" { capabilities = ["read"] }
  src/letters.py:3: get_secret(): its names are not known, so that each secret *-key may be used
  [2]

As JSON, for a job that compares.

  $ strongroom policies check --env dev --service parcels --json | grep -A5 '"refused"'
    "refused": [
      {
        "place": "src/letters.py:2",
        "kind": "secret",
        "name": "carrier-tokens"
      }

A folder that is not there.

  $ strongroom policies check --env dev --code source
  strongroom: Invalid value for '--code': dir 'source' does not exist.
  [64]
