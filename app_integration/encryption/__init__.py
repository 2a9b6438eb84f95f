"""Field encryption: envelope tokens under data keys that the server wraps, and plain Transit.

``fields`` is what an application uses. ``docs/encryption-format.md`` is the format.
"""
