"""The smallest Django service on Strongroom."""
