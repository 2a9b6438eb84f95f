"""Needs of a service: what its code, its template and its declaration use, and what is granted."""
