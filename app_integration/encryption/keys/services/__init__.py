"""Services that wrap data keys: the protocol, and one module per service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeyService(Protocol):
    """Wrapping and unwrapping of data keys under a key that never leaves the service.

    *scope* is bound to the wrapped key, so unwrapping under another scope fails. A deadline bounds
    each call. A result has one item for each argument, in the same order. All methods raise
    ``KeyUnavailable`` if the service cannot do it now, and ``AccessDenied`` if this identity may
    not.
    """

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Wrap each data key."""
        ...

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Unwrap each data key; return None for what this service did not wrap for *scope*."""
        ...

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Rewrap each data key under the newest version of the service's key.

        Returns:
            The wrapped data keys; None for what this service did not wrap for *scope*.

        """
        ...

    def version(self, wrapped: bytes) -> int:
        """Return the version of the service's key that made *wrapped*, or 0 if there is none.

        Versions begin at 1.
        """
        ...
