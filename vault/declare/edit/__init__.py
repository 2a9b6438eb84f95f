"""Editors that add entries to declaration files in place, and preserve all other bytes."""
