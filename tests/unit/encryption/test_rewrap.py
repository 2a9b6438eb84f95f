"""Rewrapping after the wrapping key was rotated, without any plaintext."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app_integration.encryption.rewrap import RewrapAction
from app_integration.errors import DecryptionFailed, EncryptionError, KeyUnavailable
from tests.support.models.cipher_parts import World

VECTORS = Path(__file__).parents[2] / "vectors" / "envelope-v2.json"
V2: str = json.loads(VECTORS.read_text("utf-8"))["tokens"][0]["token"]


def test_text_token_is_rewrapped_without_its_plaintext(world: World) -> None:
    cipher = world.text_process()
    token = cipher.encrypt_field("sand", {"user_id": 7})
    assert isinstance(token, str)
    assert cipher.needs_rewrap(token) is RewrapAction.NOTHING
    assert not cipher.needs_rewrap(token)
    world.service.rotate()
    cipher = world.text_process()
    assert cipher.needs_rewrap(token) is RewrapAction.REWRAP
    world.service.requests.clear()
    new = cipher.rewrap(token)
    assert world.service.requests == [("rewrap", 1)]
    assert isinstance(new, str)
    assert cipher.needs_rewrap(new) is RewrapAction.NOTHING
    assert new[-50:] == token[-50:]
    world.service.oldest = 2
    assert world.text_process().decrypt_field(new, {"user_id": 7}) == "sand"
    with pytest.raises(DecryptionFailed):
        world.text_process().decrypt_field(token, {"user_id": 7})


def test_data_keys_are_rewrapped_without_changing_a_token(world: World) -> None:
    token = world.process().encrypt_field("sand", {"user_id": 7})
    assert token is not None
    foreign = world.process(key_name="other").encrypt_field("dune")
    world.service.rotate()
    cipher = world.process()
    assert cipher.needs_rewrap(token) is RewrapAction.REWRAP
    assert cipher.rewrap(token) == token
    assert cipher.rewrap_data_keys() == 1
    assert cipher.rewrap_data_keys() == 0
    assert cipher.needs_rewrap(token) is RewrapAction.NOTHING
    world.service.oldest = 2
    assert world.process().decrypt_field(token, {"user_id": 7}) == "sand"
    with pytest.raises(DecryptionFailed):
        world.process(key_name="other").decrypt_field(foreign)


def test_rewrap_data_keys_names_a_broken_key_and_rewraps_the_others(world: World) -> None:
    for _ in range(3):
        world.process().encrypt_field("sand")
    first, *_ = world.rows.keys.values()
    world.rows.keys[first.number] = replace(first, wrapped=first.wrapped + b"?")
    world.service.rotate()
    with pytest.raises(KeyUnavailable, match=str(first.number)):
        world.process().rewrap_data_keys()
    assert sorted(row.version for row in world.rows.keys.values()) == [1, 2, 2]


def test_rewrap_many_sends_each_wrapped_key_once(world: World) -> None:
    one, other = world.text_process(), world.text_process()
    tokens: list[Any] = [one.encrypt_field(str(at), {"a": at}) for at in range(500)]
    tokens += [other.encrypt_field("x"), None, "sr3.AAAA", f"{tokens[0]}="]
    world.service.rotate()
    world.service.requests.clear()
    batch = one.rewrap_many(tokens)
    assert world.service.requests == [("rewrap", 2)]
    assert batch.failed == (502, 503)
    assert batch.results[501] is None
    world.service.oldest = 2
    reader = world.text_process()
    for at in range(500):
        assert reader.decrypt_field(batch.results[at], {"a": at}) == str(at)


def test_version_2_token_needs_reencrypt(world: World) -> None:
    cipher = world.text_process()
    assert cipher.needs_rewrap(V2) is RewrapAction.REENCRYPT
    with pytest.raises(EncryptionError, match="reencrypt"):
        cipher.rewrap(V2)


def test_reencrypt_writes_the_current_format(world: World) -> None:
    text, compact = world.text_process(), world.process()
    token = text.encrypt_field("sand", {"user_id": 7}, field="users.email")
    new = compact.reencrypt(token, {"user_id": 7}, field="users.email")
    assert isinstance(new, bytes)
    assert compact.field("users.email", ["user_id"]).decrypt(new, 7) == "sand"
    assert compact.reencrypt(new, {"user_id": 7}, field="users.email") != new
    assert compact.reencrypt(None) is None
    with pytest.raises(DecryptionFailed):
        compact.reencrypt(new, {"user_id": 8}, field="users.email")


@pytest.mark.parametrize("token", ["", "sr3.AAAA", b"", b"\x01" * 40], ids=repr)
def test_malformed_token_is_rejected_by_needs_rewrap_and_rewrap(world: World, token: Any) -> None:
    for method in (world.process().needs_rewrap, world.text_process().rewrap):
        if isinstance(token, bytes) and method.__name__ == "rewrap":
            continue  # because a keyring token is returned without being parsed
        with pytest.raises(DecryptionFailed):
            method(token)


def test_decrypt_many_names_the_failed_tokens(world: World) -> None:
    cipher = world.process()
    items: list[Any] = [(str(at), {"user_id": at}) for at in range(10)]
    tokens = cipher.encrypt_many([*items, (None, None)])
    items_with_context: list[Any] = [(token, {"user_id": at}) for at, token in enumerate(tokens)]
    items_with_context[3] = (tokens[3], {"user_id": 4})
    items_with_context[5] = ("no token", None)
    world.service.requests.clear()
    batch = world.process().decrypt_many(items_with_context)
    assert batch.failed == (3, 5)
    assert batch.results == ["0", "1", "2", None, "4", None, "6", "7", "8", "9", None]
    assert world.service.requests == [("unwrap", 1)]
