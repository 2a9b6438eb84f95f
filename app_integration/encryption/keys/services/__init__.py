"""Who wraps data keys: the port, and one module for each service behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeyService(Protocol):
    """Wraps and unwraps data keys under a key that never leaves the service.

    *scope* is bound to the wrapped key: unwrapping under another scope fails. Calls are bounded by
    a deadline. A result has as many items as were given, in their order. All methods raise
    ``KeyUnavailable`` when it can't be done now, and ``AccessDenied`` when this identity may not.
    """

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, wrapped."""
        ...

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Each data key; None for what this service didn't wrap for *scope*."""
        ...

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Each data key under the newest version of the service's key; None as in unwrap."""
        ...

    def version(self, wrapped: bytes) -> int:
        """The version of the service's key that made *wrapped*, from 1; 0 when there is none."""
        ...
