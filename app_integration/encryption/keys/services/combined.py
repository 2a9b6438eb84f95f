"""Data keys of several services: one wraps, and all of them unwrap what they wrapped themselves.

A deployment that moves from one service to another reads the keys of both until the last one is
rewrapped.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from app_integration.encryption import kms_ciphertext
from app_integration.encryption.keys.services import KeyService

log = logging.getLogger(__name__)

VAULT: Final = "vault"
AWS: Final = "aws"
#: Backend → what to do so that it can be used.
REMEDIES: Final = {
    VAULT: "set VAULT_ADDR, and how to log in there",
    AWS: "set STRONGROOM_KMS_KEYS to the ARNs of the KMS keys that the aliases stand for, and of "
    "those that wrapped earlier",
}


def find_backend(wrapped: bytes) -> str:
    """Return the backend that *wrapped* claims to be of."""
    return AWS if kms_ciphertext.is_marked(wrapped) else VAULT


class CombinedKeyService:
    """A :class:`~app_integration.encryption.keys.services.KeyService` made of several others."""

    def __init__(self, backend: str, services: Mapping[str, KeyService]) -> None:
        """Combine *services*. No request is sent."""
        self._backend = backend
        self._services = services

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Wrap each data key with the service of the backend."""
        return self._services[self._backend].wrap(data_keys, scope)

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Unwrap each data key with the service that wrapped it; return None for an invalid one."""
        return self._apply(lambda backend, keys: self._unwrap(backend, keys, scope), wrapped)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Rewrap each data key with the service of the backend; return None for an invalid one.

        A key that another service wrapped is unwrapped there, so it passes through this process.
        """
        return self._apply(lambda backend, keys: self._rewrap(backend, keys, scope), wrapped)

    def version(self, wrapped: bytes) -> int:
        """Return the version of the backend's key that wrapped *wrapped*; 0 if another did."""
        if find_backend(wrapped) != self._backend:
            return 0
        return self._services[self._backend].version(wrapped)

    def _unwrap(self, backend: str, wrapped: list[bytes], scope: bytes) -> list[bytes | None]:
        service = self._services.get(backend)
        if service is not None:
            return service.unwrap(wrapped, scope)
        log.warning(
            "%d data keys claim to be wrapped by the backend %s, which is not configured here, so "
            "what they encrypted counts as not authentic; %s",
            len(wrapped),
            backend,
            REMEDIES[backend],
        )
        return [None] * len(wrapped)

    def _rewrap(self, backend: str, wrapped: list[bytes], scope: bytes) -> list[bytes | None]:
        if backend == self._backend:
            return self._services[backend].rewrap(wrapped, scope)
        keys = self._unwrap(backend, wrapped, scope)
        new = iter(self.wrap([key for key in keys if key is not None], scope))
        return [None if key is None else next(new) for key in keys]

    def _apply(
        self, operation: Callable[[str, list[bytes]], list[bytes | None]], wrapped: Sequence[bytes]
    ) -> list[bytes | None]:
        """Run *operation* once for each backend; return the results in the order of *wrapped*."""
        positions: dict[str, list[int]] = defaultdict(list)
        for at, key in enumerate(wrapped):
            positions[find_backend(key)].append(at)
        results: list[bytes | None] = [None] * len(wrapped)
        for backend, chosen in positions.items():
            done = operation(backend, [wrapped[at] for at in chosen])
            for at, result in zip(chosen, done, strict=True):
                results[at] = result
        return results
