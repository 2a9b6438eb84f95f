"""Schemes of the URLs of databases."""

from __future__ import annotations

from typing import Final

#: ``postgres`` is libpq's, and not SQLAlchemy's.
_POSTGRESQL: Final = frozenset({"postgres", "postgresql"})


def is_postgresql(scheme: str) -> bool:
    """Return whether *scheme* is PostgreSQL's, with any driver or none."""
    return scheme.partition("+")[0].lower() in _POSTGRESQL
