"""Data keys wrapped by a derived Transit key.

A wrapped key is kept as ``key version u32 | nonce | ciphertext | tag`` instead of
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
from app_integration.settings import Limits

_T = TypeVar("_T")


class VaultKeyService:
    """The :class:`~app_integration.encryption.keys.services.KeyService` over one Transit key."""

    def __init__(self, post: Post, name: str, limits: Limits | None = None) -> None:
        """Args: *name* is the Transit key's full name, as ``Scope.key`` gives it.

        Raises:
            InvalidName: *name* can't be the name of a key.

        """
        self._key = Transit(post, name, limits)

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, wrapped; many in one request."""
        with _key_errors(f"{self._key.name} can't wrap a data key now"):
            batch = self._key.encrypt_many([(key, scope) for key in data_keys])
        if batch.failed:
            raise KeyUnavailable(f"{self._key.name} refused to wrap a data key; is it derived?")
        return [transit_ciphertext.compact(text) for text in batch.values()]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Each data key, None for a bad one; many in one request."""
        with _key_errors(f"{self._key.name} can't unwrap a data key now"):
            return self._ask(self._key.decrypt_many, wrapped, scope)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        """Each data key under the newest key version, None for a bad one; many in one request."""
        with _key_errors(f"{self._key.name} can't rewrap a data key now"):
            texts = self._ask(self._key.rewrap_many, wrapped, scope)
        return [None if text is None else transit_ciphertext.compact(text) for text in texts]

    def version(self, wrapped: bytes) -> int:
        """The Transit key's version."""
        return int.from_bytes(wrapped[:4], "big")

    def _ask(
        self,
        operation: Callable[[Sequence[tuple[str, bytes]]], Batch[_T]],
        wrapped: Sequence[bytes],
        scope: bytes,
    ) -> list[_T | None]:
        """The results; a request that is refused as a whole, though it is one item, is a bad item.

        Transit's own check takes ``""`` for an item that no server has written.
        """
        items = [(transit_ciphertext.expand(key) or "", scope) for key in wrapped]
        try:
            return operation(items).results
        except RequestRefused as refused:
            if refused.status != HTTPStatus.BAD_REQUEST:
                raise
            return [None] * len(items)


@contextmanager
def _key_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (*OUTAGE, RequestRefused) as error:
        raise KeyUnavailable(f"{what}: {error}") from None
