"""Copying of a service's secrets between Vault and AWS Secrets Manager, proved by read-back."""
