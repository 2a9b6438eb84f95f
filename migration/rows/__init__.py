"""Rows of a migrated table: how they are read, encrypted, checked and written."""
