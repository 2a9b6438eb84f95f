"""Who wraps data keys: the port, and one module for each service behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class KeyService(Protocol):
    """Wraps and unwraps data keys under a key that never leaves the service.

    *scope* is bound to the wrapped key: unwrapping under another scope fails. Calls are bounded by
    a deadline. A result has as many items as were given, in their order.
    """

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, wrapped.

        Raises:
            KeyUnavailable: it can't be done now.
            AccessDenied: this identity may not.
        """
        ...

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, unwrapped.

        Raises:
            DecryptionFailed: one isn't a key that this service wrapped for *scope*.
            KeyUnavailable: it can't be done now.
            AccessDenied: this identity may not.
        """
        ...
