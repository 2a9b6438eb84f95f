"""Secrets of an application: cache, background refresh, callbacks on changes, access records."""
