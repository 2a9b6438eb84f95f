"""Provisioning of AWS from the declaration: KMS keys, secrets and IAM policies."""
