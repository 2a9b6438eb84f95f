"""Other libraries' encryption of a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import aws_encryption_sdk as aws
import pyrage
import tink
from aws_encryption_sdk.identifiers import CommitmentPolicy
from tink import streaming_aead

from benchmarks.encryption_peers import LocalKeys

_FRAME: Final = 64 * 1024  # bytes; the default of 4 KiB is five times slower
_BUFFER: Final = 1024 * 1024


def all_peers(source: Path, target: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the name and the run of each peer, which encrypts *source* as *target*."""
    yield "Tink AES256_GCM_HKDF_1MB, encrypt", _tink(source, target)
    yield "age (pyrage), encrypt", _age(source, target)
    yield "AWS Encryption SDK, frames of 64 KiB, encrypt", _aws(source, target)


def _tink(source: Path, target: Path) -> Callable[[], object]:
    streaming_aead.register()
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    primitive = tink.new_keyset_handle(template).primitive(streaming_aead.StreamingAead)

    def run() -> None:
        with (
            source.open("rb") as file,
            primitive.new_encrypting_stream(target.open("wb"), b"shop") as stream,
        ):
            shutil.copyfileobj(file, stream, _BUFFER)

    return run


def _age(source: Path, target: Path) -> Callable[[], object]:
    recipient = pyrage.x25519.Identity.generate().to_public()
    return lambda: pyrage.encrypt_file(str(source), str(target), [recipient])


def _aws(source: Path, target: Path) -> Callable[[], object]:
    client = aws.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    options = {"mode": "e", "key_provider": LocalKeys(), "frame_length": _FRAME}

    def run() -> None:
        with (
            source.open("rb") as file,
            target.open("wb") as out,
            client.stream(source=file, **options) as stream,
        ):
            shutil.copyfileobj(stream, out, _BUFFER)

    return run
