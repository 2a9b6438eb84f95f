"""Estimate of what Secrets Manager and KMS cost, with the SDK's caches and without."""
