The two backends are named.

  $ strongroom keys migrate --service parcels --env dev --from vault --to kms --key pii --data-keys data_keys
  strongroom: Invalid value: --from and --to are two of vault, aws, branch
  [64]

At least one table must be named.

  $ strongroom keys migrate --service parcels --env dev --from vault --to aws --key pii
  strongroom: Invalid value: pass --data-keys, --index-keys or both
  [64]
