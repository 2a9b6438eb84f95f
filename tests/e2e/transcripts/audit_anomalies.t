Findings come first; then what the log is too short for.

  $ strongroom audit anomalies --env dev --since 1s
  0 findings since 2026-01-02 03:04Z. Off: out_of_hours.
  The log has 1,234 requests, from 2026-01-02 03:04Z to 2026-01-02 03:04Z.
  Too short, so that they find nothing yet: first_time, new_address, burst.

A file that does not exist.

  $ strongroom audit anomalies --env dev --rules rules.yaml
  error: rules.yaml: the file cannot be read: No such file or directory
  [1]
