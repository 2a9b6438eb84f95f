A script needs a value.

  $ strongroom get carrier-token --service parcels
  error: get shows a value on a terminal only; in a script, run a command with it: strongroom run --service parcels --env dev --name carrier-token -- COMMAND, which finds it in CARRIER_TOKEN
  [1]

The mend.

  $ strongroom run --name carrier-token --service parcels -- printenv CARRIER_TOKEN
  tok-9f8e7d6c5b4a3f
