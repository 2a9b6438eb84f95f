"""Rotation: the age of each secret, key and credential, and when its rotation is due."""
