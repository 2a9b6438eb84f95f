Without a region.

  $ strongroom aws copy-secrets --env prod --from vault --to aws --dry-run
  error: AWS_REGION is not set; name the region, such as eu-central-1
  [1]
