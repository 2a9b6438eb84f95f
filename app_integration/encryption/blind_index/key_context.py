"""Contexts that wrapped index keys are bound to: the fields of all rows of an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.names import Scope

#: The numbers of versions, the oldest first.
Versions: TypeAlias = tuple[int, ...]


def owner(scope: Scope) -> str:
    """Return the text that rows of *scope* have as their scope."""
    return f"{scope.service}/{scope.environment}"


def version_numbers(rows: Sequence[IndexKey]) -> Versions:
    """Return the versions of *rows*."""
    return tuple(row.version for row in rows)


def identify(scope: Scope, row: IndexKey) -> dict[str, str | int]:
    """Return the context that identifies the key; rows were bound to nothing else at first."""
    return {
        "use": "index key",
        "service": scope.service,
        "environment": scope.environment.value,
        "index": row.index,
        "version": row.version,
    }


def bind(scope: Scope, row: IndexKey, live: Versions) -> dict[str, str | int]:
    """Return the context that a key is bound to when it is wrapped.

    It contains all fields of the row and *live*, the versions of all rows. So if a row is deleted,
    or a retired one is put back, all the others can no longer be unwrapped.
    """
    return {
        **identify(scope, row),
        "bits": row.bits,
        "writes_from": int(row.writes_from.timestamp()),
        "live": ",".join(map(str, live)),
    }
