"""Smallest Flask service on Strongroom."""
