"""Data keys wrapped by a derived Transit key.

A wrapped key is stored as ``key version u32 | nonce | ciphertext | tag`` instead of
``vault:v1:BASE64``, which would be base64 inside base64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import TypeVar

from app_integration.encryption import transit_ciphertext
from app_integration.encryption.batch import Batch
from app_integration.encryption.transit import Post, Transit
from app_integration.errors import OUTAGE, KeyUnavailable, RequestRefused
from app_integration.mounts import DEFAULT_MOUNTS, Mounts
from app_integration.settings import Limits

_T = TypeVar("_T")


class VaultKeyService:
    """A :class:`~app_integration.encryption.keys.services.KeyService` that uses one Transit key."""

    def __init__(
        self,
        post: Post,
        name: str,
        limits: Limits | None = None,
        mounts: Mounts = DEFAULT_MOUNTS,
    ) -> None:
        """Create the service for one Transit key. No request is sent."""
        self._key = Transit(post, name, limits, mounts)

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Wrap each data key, many in one request."""
        with _translate_errors(f"{self._key.name} cannot wrap a data key now"):
            batch = self._key.encrypt_many([(key, scope) for key in data_keys])
        if batch.failed:
            raise KeyUnavailable(
                f"{self._key.name} did not wrap a data key; check that the Transit key is derived"
            )
        return [transit_ciphertext.compact(text) for text in batch.values()]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Unwrap each data key, many in one request; return None for an invalid one."""
        with _translate_errors(f"{self._key.name} cannot unwrap a data key now"):
            return self._run_batch(self._key.decrypt_many, wrapped, scope)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Rewrap each data key under the newest key version; return None for an invalid one."""
        with _translate_errors(f"{self._key.name} cannot rewrap a data key now"):
            texts = self._run_batch(self._key.rewrap_many, wrapped, scope)
        return [None if text is None else transit_ciphertext.compact(text) for text in texts]

    def version(self, wrapped: bytes) -> int:
        """Return the version of the Transit key that wrapped *wrapped*."""
        return transit_ciphertext.version(wrapped)

    def _run_batch(
        self,
        operation: Callable[[Sequence[tuple[str, bytes]]], Batch[_T]],
        wrapped: Sequence[bytes],
        scope: bytes,
    ) -> list[_T | None]:
        """Run a Transit operation on the wrapped keys, and return its results.

        An empty ciphertext stands for a key that cannot be one, because ``Transit`` reports it as
        failed without sending it. If the server rejects the whole request, every item counts as
        failed.
        """
        items = [(transit_ciphertext.expand(key) or "", scope) for key in wrapped]
        try:
            return operation(items).results
        except RequestRefused as rejected:
            if rejected.status != HTTPStatus.BAD_REQUEST:
                raise
            return [None] * len(items)


@contextmanager
def _translate_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (*OUTAGE, RequestRefused) as error:
        raise KeyUnavailable(f"{what}: {error}") from None
