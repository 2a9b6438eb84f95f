"""Data keys wrapped by a derived Transit key.

A wrapped key is kept as ``key version u32 | nonce | ciphertext | tag`` instead of
``vault:v1:BASE64``, which would be base64 inside base64.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from app_integration.encryption import ciphertext
from app_integration.encryption.refusal import refuse
from app_integration.encryption.transit import Poster, Transit
from app_integration.errors import OUTAGE, KeyUnavailable, RequestRefused
from app_integration.settings import Limits


class VaultKeyService:
    """The :class:`~app_integration.encryption.key_services.KeyService` over one Transit key."""

    def __init__(self, session: Poster, name: str, limits: Limits | None = None) -> None:
        """Args: *name* is the Transit key's full name, as ``Scope.key`` gives it.

        Raises:
            InvalidName: *name* can't be the name of a key.
        """
        self._key = Transit(session, name, limits)

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, wrapped; many in one request."""
        with _key_errors(f"{self._key.name} can't wrap a data key now"):
            batch = self._key.encrypt_many([(key, scope) for key in data_keys])
        if batch.failed:
            raise KeyUnavailable(f"{self._key.name} refused to wrap a data key; is it derived?")
        return [ciphertext.compact(text) for text in batch.values()]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes]:
        """Each data key, unwrapped; many in one request."""
        items = [(ciphertext.expand(key), scope) for key in wrapped]
        with _key_errors(f"{self._key.name} can't unwrap a data key now"):
            try:
                batch = self._key.decrypt_many(items)
            except RequestRefused as refused:
                if refused.status != HTTPStatus.BAD_REQUEST:
                    raise
                refuse()
        if batch.failed:
            refuse()
        return batch.values()


@contextmanager
def _key_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (*OUTAGE, RequestRefused) as error:
        raise KeyUnavailable(f"{what}: {error}") from None
