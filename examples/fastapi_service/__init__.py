"""Smallest FastAPI service on Strongroom."""
