A declared secret is compared with the entry, and the reader sees what would be copied.

  $ strongroom adopt-kv secret/parcels/dev/carrier-token --service parcels --env dev --dry-run
  secret/parcels/dev/carrier-token to carrier-token of parcels-dev: declared, its value is equal
  nothing to do

A mount that this login may not read.

  $ strongroom adopt-kv kv/legacy --service parcels
  error: this login may not read kv/legacy, or there is no such mount; let its policy read it, and repeat the command. Nothing was changed
  [1]
