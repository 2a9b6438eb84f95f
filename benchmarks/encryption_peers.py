"""Other libraries' encryption of a value of 32 bytes, with associated data if they support it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aws_encryption_sdk as aws
import hvac
import sealed_fields
import tink
from aws_encryption_sdk.identifiers import (
    CommitmentPolicy,
    EncryptionKeyType,
    WrappingAlgorithm,
)
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from tink import aead

from benchmarks.ratio import Run, repeated

_ASSOCIATED_DATA: Final = b"users.email|user_id=12"
_SLOW: Final = 50  # calls in a turn, for calls that take a request or hundreds of microseconds
_BATCH: Final = 249


@dataclass(frozen=True)
class Peer:
    """One operation of another library."""

    name: str
    encrypts: bool
    run: Run
    calls: int | None = None


def all_peers(value: str, address: str, token: str) -> Iterator[Peer]:
    """Yield all peers. Those that need a server use the one at *address*."""
    yield from _tink(value.encode())
    yield from _sealed_fields(value)
    yield from _aws(value.encode())
    yield from _hvac(value.encode(), address, token)


def _tink(plain: bytes) -> Iterator[Peer]:
    aead.register()
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    primitive = handle.primitive(aead.Aead)
    sealed = primitive.encrypt(plain, _ASSOCIATED_DATA)
    yield Peer("Tink AES256_GCM, encrypt", True, _run(primitive.encrypt, plain, _ASSOCIATED_DATA))
    yield Peer("Tink AES256_GCM, decrypt", False, _run(primitive.decrypt, sealed, _ASSOCIATED_DATA))


def _sealed_fields(value: str) -> Iterator[Peer]:
    namespace = {"pii": {"key": sealed_fields.generate_key()}}
    cipher = sealed_fields.create_sealed_fields(namespaces=namespace)
    sealed = cipher.seal(value, "pii")
    yield Peer("sealed-fields, seal", True, _run(cipher.seal, value, "pii"))
    yield Peer("sealed-fields, unseal", False, _run(cipher.unseal, sealed, "pii"))


class LocalKeys(RawMasterKeyProvider):  # type: ignore[misc] # it ships no types
    """A provider with one AES key in memory, so that no request is measured."""

    provider_id = "benchmark"

    def __init__(self) -> None:
        super().__init__()
        self.key = os.urandom(32)
        self.add_master_key("local")

    def _get_raw_key(self, key_id: str) -> Any:  # noqa: ARG002 (the provider's signature)
        algorithm = WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING
        return WrappingKey(algorithm, self.key, EncryptionKeyType.SYMMETRIC)


def _aws(plain: bytes) -> Iterator[Peer]:
    """Yield the AWS Encryption SDK with its data-key cache.

    The cache is only hit if the encryption context is the same for all rows.
    """
    client = aws.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    materials = aws.CachingCryptoMaterialsManager(
        master_key_provider=LocalKeys(),
        cache=aws.LocalCryptoMaterialsCache(100),
        max_age=3600.0,
    )
    options = {"materials_manager": materials}
    context = {"table": "users.email"}
    sealed, _ = client.encrypt(source=plain, encryption_context=context, **options)
    encrypt = partial(client.encrypt, source=plain, encryption_context=context, **options)
    decrypt = partial(client.decrypt, source=sealed, **options)
    yield Peer("AWS Encryption SDK, cached, encrypt", True, repeated(encrypt), _SLOW)
    yield Peer("AWS Encryption SDK, cached, decrypt", False, repeated(decrypt), _SLOW)


def _hvac(plain: bytes, address: str, token: str) -> Iterator[Peer]:
    client = hvac.Client(url=address, token=token)
    transit = client.secrets.transit
    transit.create_key(name="peers")
    text = base64.b64encode(plain).decode()
    bound = base64.b64encode(_ASSOCIATED_DATA).decode()
    one = partial(transit.encrypt_data, name="peers", plaintext=text, associated_data=bound)
    items = [{"plaintext": text, "associated_data": bound}] * _BATCH

    def batches(times: int) -> None:
        for _ in range(max(1, times // _BATCH)):
            transit.encrypt_data(name="peers", batch_input=items)

    yield Peer("hvac, Transit, encrypt", True, repeated(one), _SLOW)
    yield Peer("hvac, Transit, encrypt in batches of 249", True, batches, _BATCH)


def _run(work: Callable[..., object], *arguments: object) -> Run:
    """Return a loop whose arguments are local variables, as in the floor."""

    def run(times: int) -> None:
        for _ in range(times):
            work(*arguments)

    return run
