"""The smallest Flask service on Strongroom."""
