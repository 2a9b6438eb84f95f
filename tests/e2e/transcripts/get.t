A terminal shows the value, which is written to the access log; without one the value stays hidden.

  $ script -qec "strongroom get carrier-token --service parcels --reveal" /dev/null
  tok-9f8e7d6c5b4a3f

In a script the message names the command that takes its place.

  $ strongroom get carrier-token --service parcels | cat
  error: get shows a value on a terminal only; in a script, run a command with it: strongroom run --service parcels --env dev --name carrier-token -- COMMAND, which finds it in CARRIER_TOKEN
