Each step has a line; the old value stays until no process needs it, and here the reader goes back.

  $ strongroom rotate webhook-key --env dev --service parcels
  ✓ webhook-key: created a new value
  ✓ webhook-key: nothing is left to set for it
  ✓ webhook-key: no test of it has failed
  ✓ webhook-key: promoted it (1 -> 2)
  evidence: audit log
    has ended: parcels-dev: read version 1 of secret/data/parcels/dev/webhook-key at 2026-01-02 03:04:05Z (2 tokens)
    not before: 2026-01-02T03:04:05Z
    note: the log proves that a value was read, and not that it is used
  webhook-key: waits. Run the command again to continue, or go back with --undo.
  restart: a process that read it into settings or a variable, such as at import, has the old value until then
  get_secret at each use, on_change for what is built from a value, and for a program without the SDK run --restart-on-change, need no restart by hand
  $ strongroom rotate webhook-key --env dev --service parcels --undo
  webhook-key: undone. The new value is not in use.

A mistyped name is answered by the nearest one.

  $ strongroom rotate carier-token --env dev --service parcels
  error: nothing in dev is called 'carier-token'; did you mean 'carrier-token'?
  [1]
