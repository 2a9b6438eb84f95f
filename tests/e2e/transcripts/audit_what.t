What an identity did, one line a path.

  $ strongroom audit what labels-dev-starter --env dev | tail -4
  kind    outcome  operation  path                                    actor               host  address  requests  versions  first                 last
  change  ok       update     auth/approle/role/labels-dev/secret-id  labels-dev-starter  -     -        1         -         2026-01-02 03:04:05Z  2026-01-02 03:04:05Z
  token   ok       update     auth/token/revoke-self                  labels-dev-starter  -     -        1         -         2026-01-02 03:04:05Z  2026-01-02 03:04:05Z
  login   ok       update     auth/approle/login                      labels-dev-starter  -     -        1         -         2026-01-02 03:04:05Z  2026-01-02 03:04:05Z

An identity that the log does not know.

  $ strongroom audit what nobody --env dev
  error: no request in the log is of 'nobody'; list who sent requests with `strongroom audit report`
  [1]
