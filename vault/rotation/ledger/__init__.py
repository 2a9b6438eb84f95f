"""Ledger: the age of each item, its last use, and when its rotation is due."""
