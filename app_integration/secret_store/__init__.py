"""Secrets for the application: cached, fetched, watched, recorded."""
