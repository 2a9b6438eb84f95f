The link is printed once, with when it ends.

  $ timeout -s INT 3 strongroom console --port 18999
  http://127.0.0.1:18999/open/…
  The address works once, for 5 minutes. Ctrl-C ends the page.
  [124]

A port that is in use is named.

  $ strongroom console --port $STRONGROOM_VAULT_PORT
  error: the page cannot listen on port 18200: Address already in use; pass another --port, or none for any
  [1]
