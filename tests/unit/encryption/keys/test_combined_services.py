"""Key services of two backends: each key goes to the service that wrapped it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from app_integration.encryption.cipher import FieldCipher
from app_integration.encryption.keys.services.combined import AWS, VAULT, CombinedKeyService
from app_integration.encryption.kms_ciphertext import KmsCiphertext, parse
from app_integration.errors import DecryptionFailed, KeyUnavailable
from tests.support.models.cipher_parts import STORE, KeyService, Rows

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


class KmsService(KeyService):
    """A key service in memory whose wrapped keys are marked as those of KMS."""

    def wrap(self, data_keys: Sequence[bytes], scope: bytes) -> list[bytes]:
        return [KmsCiphertext(ARN, key).encode() for key in super().wrap(data_keys, scope)]

    def unwrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        return super().unwrap([self._ciphertext(key) for key in wrapped], scope)

    def rewrap(self, wrapped: Sequence[bytes], scope: bytes) -> list[bytes | None]:
        new = super().rewrap([self._ciphertext(key) for key in wrapped], scope)
        return [None if key is None else KmsCiphertext(ARN, key).encode() for key in new]

    def version(self, wrapped: bytes) -> int:
        return super().version(self._ciphertext(wrapped))

    def _ciphertext(self, wrapped: bytes) -> bytes:
        found = parse(wrapped)
        return wrapped if found is None else found.ciphertext


@pytest.fixture
def vault() -> KeyService:
    return KeyService()


@pytest.fixture
def aws() -> KmsService:
    return KmsService()


def both(backend: str, vault: KeyService, aws: KeyService) -> CombinedKeyService:
    return CombinedKeyService(backend, {VAULT: vault, AWS: aws})


@pytest.mark.parametrize("source", [VAULT, AWS])
def test_keys_of_both_services_are_unwrapped_in_order(
    source: str, vault: KeyService, aws: KmsService
) -> None:
    keys = [bytes([each]) * 32 for each in range(6)]
    services = both(source, vault, aws)
    wrapped = [(vault, aws)[at % 2].wrap([key], b"scope")[0] for at, key in enumerate(keys)]
    assert services.unwrap(wrapped, b"scope") == keys
    assert services.unwrap(wrapped, b"other") == [None] * 6
    assert vault.requests[-1] == aws.requests[-1] == ("unwrap", 3)


@pytest.mark.parametrize(("source", "target"), [(VAULT, AWS), (AWS, VAULT)])
def test_rewrap_moves_keys_of_the_other_service_and_leaves_invalid_ones(
    source: str, target: str, vault: KeyService, aws: KmsService
) -> None:
    services, old = both(target, vault, aws), {VAULT: vault, AWS: aws}[source]
    new = {VAULT: vault, AWS: aws}[target]
    first, second = old.wrap([b"1" * 32, b"2" * 32], b"scope")
    own = new.wrap([b"3" * 32], b"scope")[0]
    assert [services.version(key) for key in (first, own)] == [0, 1]
    moved = services.rewrap([first, first + b"?", own, second], b"scope")
    assert moved[1] is None
    kept = [key for key in moved if key is not None]
    assert [services.version(key) for key in kept] == [1, 1, 1]
    assert new.unwrap(kept, b"scope") == [b"1" * 32, b"3" * 32, b"2" * 32]


@pytest.mark.parametrize(("source", "target"), [(VAULT, AWS), (AWS, VAULT)])
def test_stored_keys_and_text_tokens_move_and_then_need_the_target_only(
    source: str, target: str, vault: KeyService, aws: KmsService
) -> None:
    services, rows = {VAULT: vault, AWS: aws}, Rows()
    before = FieldCipher(services[source], STORE, data_keys=rows)
    keyring = before.encrypt_field("sand", {"user_id": 7})
    text = FieldCipher(services[source], STORE).encrypt_field("dune")
    moving = FieldCipher(both(target, vault, aws), STORE, data_keys=rows)
    assert moving.decrypt_field(keyring, {"user_id": 7}) == "sand"
    assert text is not None
    assert moving.needs_rewrap(text)
    moved = moving.rewrap(text)
    assert moving.rewrap_data_keys() == 1
    assert moving.rewrap_data_keys() == 0
    assert not moving.needs_rewrap(moved)
    after = FieldCipher(services[target], STORE, data_keys=rows)
    assert after.decrypt_field(keyring, {"user_id": 7}) == "sand"
    assert after.decrypt_field(moved) == "dune"


def test_key_of_a_service_that_is_not_configured_is_reported_and_fails_nothing_else(
    vault: KeyService, aws: KmsService, caplog: pytest.LogCaptureFixture
) -> None:
    services = CombinedKeyService(VAULT, {VAULT: vault})
    cipher, other = FieldCipher(services, STORE), FieldCipher(aws, STORE)
    tokens = [cipher.encrypt_field("sand"), other.encrypt_field("dune")]
    with caplog.at_level(logging.WARNING, "app_integration"):
        batch = FieldCipher(services, STORE).decrypt_many([(each, None) for each in tokens])
    assert (batch.results, batch.failed) == (["sand", None], (1,))
    assert "the backend aws, which is not configured here" in caplog.text
    assert "set STRONGROOM_KMS_KEYS" in caplog.text
    with pytest.raises(DecryptionFailed):
        FieldCipher(services, STORE).decrypt_field(tokens[1])


def test_outage_of_the_service_that_is_left_does_not_stop_the_new_one(
    vault: KeyService, aws: KmsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_wrapped: Sequence[bytes], _scope: bytes) -> list[bytes | None]:
        raise KeyUnavailable("Vault is unavailable")

    old = FieldCipher(vault, STORE).encrypt_field("dune")
    monkeypatch.setattr(vault, "unwrap", fail)
    services = both(AWS, vault, aws)
    token = FieldCipher(services, STORE).encrypt_field("sand")
    reader = FieldCipher(services, STORE)
    assert reader.decrypt_field(token) == "sand"
    with pytest.raises(KeyUnavailable, match="Vault is unavailable"):
        reader.decrypt_field(old)
