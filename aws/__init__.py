"""Provisioning of AWS from the declaration: keys, secrets, IAM policies and what watches them."""
