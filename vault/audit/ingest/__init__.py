"""Ingest of server logs and access records into the store, live and across rotation."""
