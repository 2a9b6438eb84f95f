Each step has a line; the old value stays until no process needs it, which may be undone until then.

  $ strongroom rotate webhook-key --env dev --service parcels > rotate.txt
  $ head -4 rotate.txt
  ✓ webhook-key: created a new value
  ✓ webhook-key: nothing is left to set for it
  ✓ webhook-key: no test of it has failed
  ✓ webhook-key: promoted it (1 -> 2)
  $ strongroom rotate webhook-key --env dev --service parcels --undo
  webhook-key: undone. The new value is not in use.

A mistyped name is answered by the nearest one.

  $ strongroom rotate carier-token --env dev --service parcels
  error: nothing in dev is called 'carier-token'; did you mean 'carrier-token'?
  [1]
