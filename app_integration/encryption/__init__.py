"""Field encryption under data keys that the key service wraps, and plain Transit.

An application uses :mod:`.cipher`. ``docs/encryption-format.md`` specifies the bytes of the tokens.
"""
