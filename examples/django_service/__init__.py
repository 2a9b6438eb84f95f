"""Smallest Django service on Strongroom."""
