"""Blind indexes: equality search on encrypted values."""
