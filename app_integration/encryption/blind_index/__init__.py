"""Blind indexes: encrypted values that are found by equality."""
