"""Plain Transit and field encryption against a real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.encryption.cipher import FieldCipher, wrap_scope
from app_integration.encryption.keys.services.vault import VaultKeyService
from app_integration.encryption.transit import Transit
from app_integration.errors import (
    AccessDenied,
    BatchFailed,
    DecryptionFailed,
    KeyUnavailable,
    RequestRefused,
)
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from app_integration.testing.ports import free_ports
from tests.support.servers.dev_server import dev_server
from tests.support.servers.dev_server import root as root_session
from tests.support.servers.server_program import openbao_only

pytestmark = pytest.mark.requires("embedded")

STORE = Scope("gaara-store", Environment.DEV)


class Client:
    """A session that counts its requests."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.requests = 0

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        self.requests += 1
        return self.session.post(path, body)


@pytest.fixture(scope="module")
def root() -> Iterator[Client]:
    with dev_server() as address, root_session(address) as session:
        session.post("sys/mounts/transit", {"type": "transit"})
        yield Client(session)


@pytest.fixture
def key(root: Client, request: pytest.FixtureRequest) -> Transit:
    """Create a derived Transit key for one test."""
    name = f"gaara-store-dev-{abs(hash(request.node.name))}"
    root.post(f"transit/keys/{name}", {"derived": True})
    root.requests = 0
    return Transit(root.post, name)


def test_bytes_are_decrypted_only_under_their_context(key: Transit) -> None:
    for plaintext in (b"", b"\x00\xff", b"sand", bytes(100_000)):
        ciphertext = key.encrypt(plaintext, b"user 7")
        assert key.decrypt(ciphertext, b"user 7") == plaintext
        for operation in (key.decrypt, key.rewrap):
            with pytest.raises(DecryptionFailed):
                operation(ciphertext, b"user 8")


def test_large_batch_with_a_context_per_item_is_split_at_the_servers_limit(
    root: Client, key: Transit
) -> None:
    items = [(b"value %d" % number, b"user %d" % number) for number in range(600)]
    ciphertexts = key.encrypt_many(items).values()
    assert root.requests == 3
    contexts = [context for _, context in items]
    back = key.decrypt_many(list(zip(ciphertexts, contexts, strict=True)))
    assert back.values() == [plaintext for plaintext, _ in items]
    assert root.requests == 6


@openbao_only
def test_batch_too_complex_for_the_server_is_halved(root: Client, key: Transit) -> None:
    key._batch_items = 1000
    assert len(key.encrypt_many([(b"x", b"7")] * 1000).values()) == 1000
    assert root.requests == 3 + 8  # 1000, 500 and 250 are rejected, then 8 of 125 are accepted
    assert key._batch_items == 125


def test_failed_item_of_a_batch_is_named_and_the_others_are_returned(key: Transit) -> None:
    items = [(key.encrypt(b"%d" % number, b"7"), b"7") for number in range(5)]
    items[2] = (items[2][0], b"8")
    items[4] = (items[4][0][:-8] + "AAAAAAA=", b"7")
    for batch in (key.decrypt_many(items), key.rewrap_many(items)):
        assert batch.failed == (2, 4)
        with pytest.raises(BatchFailed):
            batch.values()
    assert key.decrypt_many(items).results == [b"0", b"1", None, b"3", None]
    assert key.decrypt_many(items[2:3] * 3).failed == (0, 1, 2)


def test_old_key_version_can_be_disallowed_after_rewrap(root: Client, key: Transit) -> None:
    old = key.encrypt_many([(b"%d" % number, b"7") for number in range(300)]).values()
    root.post(f"transit/keys/{key.name}/rotate")
    new = key.rewrap_many([(ciphertext, b"7") for ciphertext in old]).values()
    root.post(f"transit/keys/{key.name}/config", {"min_decryption_version": 2})
    assert all(ciphertext.startswith("vault:v2:") for ciphertext in new)
    back = key.decrypt_many([(ciphertext, b"7") for ciphertext in new])
    assert back.values() == [b"%d" % number for number in range(300)]
    with pytest.raises(DecryptionFailed, match="no longer allowed"):
        key.decrypt(old[0], b"7")
    assert key.decrypt_many([(ciphertext, b"7") for ciphertext in old]).failed == tuple(range(300))


def test_missing_key_raises_request_refused(root: Client) -> None:
    with pytest.raises(RequestRefused):
        Transit(root.post, "gaara-store-dev-none").decrypt("vault:v1:AAAA", b"7")


def test_denied_caller_gets_access_denied(root: Client, key: Transit) -> None:
    token = root.post("auth/token/create", {"policies": ["default"]})["auth"]["client_token"]
    with Session(root.session.address, StaticToken(Secret(token))) as denied:
        with pytest.raises(AccessDenied):
            Transit(denied.post, key.name).encrypt(b"x", b"7")
        with pytest.raises(AccessDenied):
            FieldCipher(VaultKeyService(denied.post, key.name), STORE).encrypt_field("x")


def cipher(client: Client, key: Transit, scope: Scope = STORE) -> FieldCipher:
    return FieldCipher(VaultKeyService(client.post, key.name), scope)


def test_1000_fields_take_one_request_to_encrypt_and_one_to_decrypt(
    root: Client, key: Transit
) -> None:
    writer, reader = cipher(root, key), cipher(root, key)
    tokens = [writer.encrypt_field(f"user{n}@example.com", {"user_id": n}) for n in range(1000)]
    assert root.requests == 1
    back = [reader.decrypt_field(token, {"user_id": n}) for n, token in enumerate(tokens)]
    assert back == [f"user{n}@example.com" for n in range(1000)]
    assert root.requests == 2


def test_token_of_another_service_or_environment_is_rejected_under_the_same_transit_key(
    root: Client, key: Transit
) -> None:
    token = cipher(root, key).encrypt_field("gaara@example.com")
    for scope in (Scope("gaara-store", Environment.PROD), Scope("gaara", Environment.DEV)):
        with pytest.raises(DecryptionFailed):
            cipher(root, key, scope).decrypt_field(token)


def test_token_of_the_first_key_version_is_decrypted_after_rotation(
    root: Client, key: Transit
) -> None:
    old = cipher(root, key).encrypt_field("gaara@example.com", {"user_id": 7})
    root.post(f"transit/keys/{key.name}/rotate")
    assert cipher(root, key).decrypt_field(old, {"user_id": 7}) == "gaara@example.com"
    new = cipher(root, key).encrypt_field("gaara@example.com", {"user_id": 7})
    assert cipher(root, key).decrypt_field(new, {"user_id": 7}) == "gaara@example.com"
    root.post(f"transit/keys/{key.name}/config", {"min_decryption_version": 2})
    assert cipher(root, key).decrypt_field(new, {"user_id": 7}) == "gaara@example.com"
    with pytest.raises(DecryptionFailed):
        cipher(root, key).decrypt_field(old, {"user_id": 7})


def test_wrapped_data_key_has_64_bytes_and_is_bound_to_its_scope(
    root: Client, key: Transit
) -> None:
    keys, scope = VaultKeyService(root.post, key.name), wrap_scope(STORE, "pii").bound
    (wrapped,) = keys.wrap([bytes(32)], scope)
    assert len(wrapped) == 64
    assert keys.unwrap([wrapped], scope) == [bytes(32)]
    assert keys.unwrap([wrapped], wrap_scope(STORE, "index").bound) == [None]


def test_wrapped_data_key_with_a_flipped_bit_is_rejected_by_the_server(
    root: Client, key: Transit
) -> None:
    keys = VaultKeyService(root.post, key.name)
    (wrapped,) = keys.wrap([bytes(32)], b"scope")
    for position in range(8 * len(wrapped)):
        changed = bytearray(wrapped)
        changed[position // 8] ^= 1 << position % 8
        assert keys.unwrap([bytes(changed)], b"scope") == [None]


def test_cached_keys_are_used_while_the_server_is_unreachable(key: Transit, root: Client) -> None:
    client = Client(root.session)
    writer = cipher(client, key)
    mine, theirs = writer.encrypt_field("mine"), cipher(root, key).encrypt_field("theirs")
    nowhere, login = f"http://127.0.0.1:{free_ports(1)[0]}", StaticToken(Secret("unused"))
    with Session(nowhere, login, limits=Limits(retry_window=0)) as client.session:
        assert writer.decrypt_field(mine) == "mine"
        assert writer.decrypt_field(writer.encrypt_field("more")) == "more"
        with pytest.raises(KeyUnavailable):
            writer.decrypt_field(theirs)
        with pytest.raises(KeyUnavailable):
            cipher(client, key).encrypt_field("x")
