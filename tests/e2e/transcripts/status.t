Each part has a line; a config has one too, with the time since when it is in use.

  $ strongroom status
  part                          state    port   pid   since
  OpenBao (secrets)             running  18200  4242  2026-01-02 03:04:05
  PostgreSQL                    running  15432  4242  2026-01-02 03:04:05
  Valkey (Redis)                running  16379  4242  2026-01-02 03:04:05
  SMTP sink                     running  11025  4242  2026-01-02 03:04:05
  Agents (deliver the configs)  running         4242  2026-01-02 03:04:05

  service  file      in use since         last rendered  since                tries
  labels   app.yaml  2026-01-02 03:04:05  delivered      2026-01-02 03:04:05  1

In a folder without a deployment no part runs, and the exit code is 2.

  $ strongroom status --root elsewhere
  part               state        port   pid   since
  OpenBao (secrets)  not running  18200
  PostgreSQL         not running  15432
  Valkey (Redis)     not running  16379
  SMTP sink          not running  11025

  service  file      in use since  last rendered  since  tries
  labels   app.yaml
  [2]
