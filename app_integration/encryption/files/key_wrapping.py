"""Generating, unwrapping and rewrapping the keys of files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from app_integration.encryption.files import x25519
from app_integration.encryption.files.body import KEY_SIZE, BodyCipher
from app_integration.encryption.files.file_key import FileKey
from app_integration.encryption.files.header import Header
from app_integration.encryption.files.recipient import (
    KEY_SERVICE,
    MAX_RECIPIENTS,
    X25519,
    Recipient,
    ServiceKey,
    parse_service_key,
    read_service_key,
)
from app_integration.encryption.keys.services import KeyService
from app_integration.errors import (
    AccessDenied,
    EncryptionError,
    InvalidName,
    KeyUnavailable,
    raise_decryption_failed,
)
from app_integration.names import Scope

#: Returns the key service of one key.
OpenKeyService = Callable[[ServiceKey], KeyService]


class FileKeyWrapping:
    """The file keys of one service in one environment. Thread-safe."""

    def __init__(
        self,
        services: OpenKeyService,
        scope: Scope,
        key_name: str | None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Create it without a request. For *key_name* None, only recipients can decrypt files."""
        self._services = services
        self._scope = scope
        self._key_name = key_name
        self._random = random

    def generate(self, recipients: Sequence[str] = ()) -> FileKey:
        """Return a new file key, wrapped for the default key and *recipients*."""
        key = self._random(KEY_SIZE)
        return FileKey(key, self._wrap(key, recipients))

    def _wrap(self, key: bytes, recipients: Sequence[str]) -> tuple[Recipient, ...]:
        if isinstance(recipients, str):
            raise EncryptionError("recipients cannot be one text, but a list of texts; use [...]")
        parsed = [self._parse(text) for text in self._with_default(recipients)]
        if not parsed:
            raise EncryptionError("a file without a recipient cannot be decrypted; name one")
        if len(parsed) > MAX_RECIPIENTS:
            raise EncryptionError(
                f"a file cannot have {len(parsed)} recipients; use at most {MAX_RECIPIENTS}"
            )
        return tuple(
            each.recipient(self._services(each).wrap([key], each.bound)[0])
            if isinstance(each, ServiceKey)
            else x25519.wrap(key, each, self._random)
            for each in parsed
        )

    def _with_default(self, recipients: Sequence[str]) -> Iterable[str]:
        default = () if self._key_name is None else (self._key_name,)
        return dict.fromkeys((*default, *recipients))

    def _parse(self, text: str) -> ServiceKey | X25519PublicKey:
        if text.startswith(f"{x25519.PUBLIC_PREFIX}1"):
            return x25519.parse_public_key(text)
        if x25519.PRIVATE_PREFIX in text.lower():
            raise EncryptionError(
                "a recipient cannot be a private key of age; name its public key (age-keygen -y)"
            )
        if "/" not in text:
            text = f"{self._scope.service}/{self._scope.environment}/{text}"
        try:
            return parse_service_key(text)
        except (InvalidName, ValueError):
            raise EncryptionError(
                f"recipient {text!r} is no key: use an age public key, the name of a key of the "
                "service, or service/environment/key"
            ) from None

    def unwrap(self, header: Header, identities: Sequence[X25519PrivateKey] = ()) -> BodyCipher:
        """Return the cipher of the body of *header*. With *identities*, no request is sent."""
        return self._unwrap(header, identities)[1]

    def rewrap(self, header: Header) -> tuple[Recipient, ...]:
        """Return the recipients of *header* with the service's own keys at their newest version."""
        return tuple(self._rewrap(each) for each in header.recipients)

    def replace(
        self,
        header: Header,
        recipients: Sequence[str],
        identities: Sequence[X25519PrivateKey],
    ) -> tuple[Recipient, ...]:
        """Return the key of *header* wrapped for the default key and *recipients*.

        Only a file of this service and environment is accepted, or a writer of files could have the
        key of a foreign one wrapped for this service.
        """
        context = header.preamble.context
        if (context.get("service"), context.get("environment")) != (
            self._scope.service,
            self._scope.environment.value,
        ):
            raise_decryption_failed("file")
        return self._wrap(self._unwrap(header, identities)[0], recipients)

    def _rewrap(self, recipient: Recipient) -> Recipient:
        if recipient.kind != KEY_SERVICE:
            return recipient
        key, wrapped = read_service_key(recipient)
        if key.scope != self._scope:
            return recipient
        rewrapped = self._services(key).rewrap([wrapped], key.bound)[0]
        if rewrapped is None:
            raise_decryption_failed("file")
        return key.recipient(rewrapped)

    def _unwrap(
        self, header: Header, identities: Sequence[X25519PrivateKey]
    ) -> tuple[bytes, BodyCipher]:
        """Return the first key that a recipient holds, and its cipher."""
        if identities:
            unwrapped = _unwrap_by_identities(header, identities)
        else:
            unwrapped = self._unwrap_by_services(header)
        key = next((key for key in unwrapped if key is not None), None)
        cipher = None if key is None else header.body_cipher(key)
        if key is None or cipher is None:
            raise_decryption_failed("file")
        return key, cipher

    def _unwrap_by_services(self, header: Header) -> Iterable[bytes | None]:
        """Yield the key that each key service unwraps, without those that it cannot unwrap now.

        After the last one, raises KeyUnavailable or AccessDenied if a service did.
        """
        error: AccessDenied | KeyUnavailable | None = None
        parsed = [read_service_key(each) for each in header.recipients if each.kind == KEY_SERVICE]
        for key, wrapped in parsed:
            try:
                yield self._services(key).unwrap([wrapped], key.bound)[0]
            except (AccessDenied, KeyUnavailable) as caught:
                error = error or caught
        if error is not None:
            raise error


def _unwrap_by_identities(
    header: Header, identities: Sequence[X25519PrivateKey]
) -> Iterable[bytes | None]:
    for recipient in header.recipients:
        if recipient.kind == X25519:
            yield from (x25519.unwrap(recipient, identity) for identity in identities)
