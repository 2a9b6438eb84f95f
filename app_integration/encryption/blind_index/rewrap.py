"""Rewrapping of stored index keys after the key service rotated its key. No index value changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app_integration.encryption.blind_index import key_context
from app_integration.encryption.blind_index.stores import IndexKey, IndexKeyStore
from app_integration.encryption.keys.services import KeyService
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import KeyUnavailable
from app_integration.names import Scope

_ATTEMPTS: Final = 3


def rewrap_index_keys(
    service: KeyService, store: IndexKeyStore, scope: Scope, index: str
) -> list[IndexKey]:
    """Rewrap the keys of one index, and return the rows that are stored then.

    It needs permission to rewrap alone. It may be interrupted and repeated while other processes
    rotate the index. If a key cannot be rewrapped, it raises KeyUnavailable and changes no row.
    """
    for _attempt in range(_ATTEMPTS):
        rows = store.versions(key_context.owner(scope), index)
        after = [_rewrap(service, store, scope, row, rows) for row in rows]
        if after == rows or store.replace(rows, after):
            return after
    raise KeyUnavailable(
        f"another process changed the key of index {index} {_ATTEMPTS} times; try again"
    )


def _rewrap(
    service: KeyService, store: IndexKeyStore, scope: Scope, row: IndexKey, rows: Sequence[IndexKey]
) -> IndexKey:
    """Return *row* with its key wrapped under the newest version, or as it is if it has that."""
    context = key_context.bind(scope, row, key_context.version_numbers(rows))
    (wrapped,) = service.rewrap([row.wrapped], contexts.encode(context))
    if wrapped is None:
        raise KeyUnavailable(
            f"{store.place}: the key service cannot rewrap version {row.version} of index "
            f"{row.index}; check its rows"
        )
    is_same = service.version(wrapped) == service.version(row.wrapped)
    return row if is_same else replace(row, wrapped=wrapped)
