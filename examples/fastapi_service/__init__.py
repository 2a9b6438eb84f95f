"""The smallest FastAPI service on Strongroom."""
