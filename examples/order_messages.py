"""Messages about placed orders: the store writes them to a stream, the mail worker reads them.

A message has the id of the order, and the customer's address as an encrypted token. The key is
derived from the queue's password, which is the one secret that both services have. The README of
``orders_mail`` explains why.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app_integration.errors import ConfigurationError

#: Key of the stream in Redis.
STREAM: Final = "orders"
#: Fields of a message.
ORDER: Final = "order"
RECIPIENT: Final = "recipient"

_PURPOSE: Final = b"order-messages/recipient/v1"
_KEY_SIZE: Final = 32  # bytes
_NONCE_SIZE: Final = 12  # bytes


class InvalidMessage(Exception):
    """A message that the store did not write like this, so that no retry helps."""


@dataclass(frozen=True, slots=True)
class OrderMessage:
    """A message about one order; *token* is the customer's encrypted address, bound to it."""

    order_id: UUID
    token: str

    def fields(self) -> dict[Any, str]:
        """Return the fields of the message in the stream."""
        return {ORDER: str(self.order_id), RECIPIENT: self.token}


def parse_message(fields: dict[bytes, bytes]) -> OrderMessage:
    """Return the message with *fields*, as they are in the stream."""
    try:
        order_id = UUID(fields[ORDER.encode()].decode())
        return OrderMessage(order_id, fields[RECIPIENT.encode()].decode("ascii"))
    except (KeyError, ValueError):
        raise InvalidMessage("the message has not the fields of an order") from None


def seal_message(order_id: UUID, recipient: str, queue_url: str) -> OrderMessage:
    """Return a message in which *recipient* is encrypted."""
    nonce = os.urandom(_NONCE_SIZE)
    sealed = _cipher(queue_url).encrypt(nonce, recipient.encode(), order_id.bytes)
    return OrderMessage(order_id, urlsafe_b64encode(nonce + sealed).decode())


def open_recipient(message: OrderMessage, queue_urls: Iterable[str]) -> str:
    """Return the decrypted address of the customer, or raise InvalidMessage.

    The next of *queue_urls* is only requested if the one before does not decrypt the address.
    """
    try:
        sealed = urlsafe_b64decode(message.token.encode())
    except ValueError:
        raise InvalidMessage("the recipient is not an encrypted token") from None
    for queue_url in queue_urls:
        try:
            opened = _cipher(queue_url).decrypt(
                sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], message.order_id.bytes
            )
        except (InvalidTag, ValueError):
            continue
        return _check_address(opened)
    raise InvalidMessage("the recipient cannot be decrypted with the queue's password")


def _check_address(opened: bytes) -> str:
    # Never mail an address list or a header, whatever the sender of the message wrote.
    if not opened.isascii() or b"@" not in opened or set(opened) & set(b' ,;:<>()"\\\r\n\t\0'):
        raise InvalidMessage("the recipient is not one address")
    return opened.decode("ascii")


def _cipher(queue_url: str) -> AESGCM:
    # Concatenation returns a plain str, also for a Secret, which urlsplit would redact.
    password = urlsplit(queue_url + "").password
    if not password:
        raise ConfigurationError(
            "redis-url has no password, from which the key of the order messages is derived; set "
            "one on the queue and put it into the secret"
        )
    derived = HKDF(algorithm=SHA256(), length=_KEY_SIZE, salt=None, info=_PURPOSE)
    return AESGCM(derived.derive(unquote(password).encode()))
