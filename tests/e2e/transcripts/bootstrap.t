A local server needs no bootstrap.

  $ strongroom bootstrap --env dev --out ../out
  error: dev has a local server, which is bootstrapped when it starts; run strongroom up
  [1]

A server elsewhere needs a token, which is read from standard input.

  $ strongroom bootstrap --env prod --out ../out
  error: no token was provided; pass it on standard input or --token-file
  [1]
