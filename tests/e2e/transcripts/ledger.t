Each secret and credential has its age, its due date and who read it last.

  $ strongroom ledger --env dev --service labels
  service  kind       name                state  age  last rotation  every          due                last read                  by
  labels   secret     api-key             ok     0m   never          90d (default)  2026-01-02 03:04Z  2026-01-02 03:04Z          labels-dev, version 1
  labels   secret-id  labels-dev          ok     0m   never          90d            2026-01-02 03:04Z  never used
  labels   secret-id  labels-dev-starter  ok     0m   never          90d            2026-01-02 03:04Z  2026-01-02 03:04Z (login)  labels-dev-starter
  Ledger: 3 ok, 0 overdue, 0 no value, 0 unknown.
  Reads are those in the audit log, from 2026-01-02 03:04Z to 2026-01-02 03:04Z.

The command must know the environment.

  $ strongroom ledger
  strongroom: Missing option '--env'.
  [64]
