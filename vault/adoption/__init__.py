"""Adoption of an existing database user as a static role of Vault, and its reversal."""
