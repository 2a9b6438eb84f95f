"""Messages between the store and the mail worker."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from uuid import UUID

import pytest

from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from examples.order_messages import (
    InvalidMessage,
    OrderMessage,
    open_recipient,
    parse_message,
    seal_message,
)

ORDER, OTHER = UUID(int=1), UUID(int=2)
URL = Secret("redis://:p%40ss@127.0.0.1:6379/0")
NEWER = Secret("redis://:another@127.0.0.1:6379/0")
ADDRESS = "gaara@example.com"


def raw(message: OrderMessage) -> dict[bytes, bytes]:
    return {str(key).encode(): value.encode() for key, value in message.fields().items()}


def test_message_is_read_as_it_was_written() -> None:
    message = parse_message(raw(seal_message(ORDER, ADDRESS, URL)))
    assert message.order_id == ORDER
    assert open_recipient(message, [URL]) == ADDRESS


def test_address_is_not_in_the_message() -> None:
    text = str(seal_message(ORDER, ADDRESS, URL).fields())
    assert "gaara" not in text
    assert text != str(seal_message(ORDER, ADDRESS, URL).fields())


def test_key_depends_on_the_password_and_not_on_the_address_of_the_queue() -> None:
    moved = Secret("redis://queue:p%40ss@queue.example.com:6380/3")
    assert open_recipient(seal_message(ORDER, ADDRESS, URL), [moved]) == ADDRESS


def test_message_of_before_a_rotation_is_decrypted_with_the_previous_password() -> None:
    assert open_recipient(seal_message(ORDER, ADDRESS, URL), [NEWER, URL]) == ADDRESS


def test_further_url_is_requested_only_if_needed() -> None:
    urls = iter([URL, NEWER])
    assert open_recipient(seal_message(ORDER, ADDRESS, URL), urls) == ADDRESS
    assert next(urls) == NEWER


@pytest.mark.parametrize(
    "message",
    [
        OrderMessage(OTHER, seal_message(ORDER, ADDRESS, URL).token),
        seal_message(ORDER, ADDRESS, NEWER),
        OrderMessage(ORDER, ""),
        OrderMessage(ORDER, "!"),
        OrderMessage(ORDER, "a"),
        OrderMessage(ORDER, urlsafe_b64encode(b"short").decode()),
    ],
    ids=["other order", "other password", "empty", "no base64", "bad padding", "short"],
)
def test_message_that_is_not_authentic_is_rejected(message: OrderMessage) -> None:
    with pytest.raises(InvalidMessage):
        open_recipient(message, [URL])


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "<a@b.c>", "ä@b.c", "a@b.c\0", "a b@c.d"],
)
def test_text_that_is_not_one_address_is_rejected(address: str) -> None:
    with pytest.raises(InvalidMessage):
        open_recipient(seal_message(ORDER, address, URL), [URL])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {b"order": str(ORDER).encode()},
        {b"order": b"7", b"recipient": b"a"},
        {b"order": b"\xff", b"recipient": b"a"},
        {b"order": str(ORDER).encode(), b"recipient": b"\xff"},
    ],
)
def test_message_of_another_form_is_rejected(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(InvalidMessage, match="has not the fields"):
        parse_message(fields)


def test_queue_without_a_password_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="redis-url has no password"):
        seal_message(ORDER, ADDRESS, "redis://127.0.0.1:6379/0")
