"""Declared files edited in place: what is there stays as it is, byte for byte."""
