"""Recipients: who can decrypt a file, and how that changes while the body stays."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pyrage
import pytest

from app_integration._internal.private_file import write_private
from app_integration.encryption.files import header as headers
from app_integration.encryption.files.header import FIRST_COPY, SECOND_COPY, parse_header
from app_integration.encryption.files.recipient import Recipient
from app_integration.errors import (
    AccessDenied,
    ConfigurationError,
    DecryptionFailed,
    EncryptionError,
)
from app_integration.names import Environment, Scope
from tests.support import bech32
from tests.support.models.file_parts import SCOPE, FileServices, file_cipher

COPY = 1536


def write(path: Path, services: FileServices, *recipients: str, key: str | None = "pii") -> None:
    with file_cipher(services, key=key).create(path, recipients=recipients) as file:
        file.write(b"content")


def read(path: Path, services: FileServices, identity: Path | None = None) -> bytes:
    with file_cipher(services).open(path, identity=identity) as file:
        return file.read()


@pytest.fixture
def age(tmp_path: Path) -> tuple[str, Path]:
    """Return a public key that age itself made, and the file of its private key."""
    identity = pyrage.x25519.Identity.generate()
    path = tmp_path / "identity.txt"
    write_private(path, f"# created: now\n# public key: {identity.to_public()}\n{identity}\n")
    return str(identity.to_public()), path


def test_recipient_of_age_decrypts_without_a_key_service(
    tmp_path: Path, age: tuple[str, Path]
) -> None:
    public, identity = age
    write(tmp_path / "file", FileServices(), public)
    unused = FileServices()
    assert read(tmp_path / "file", unused, identity) == b"content"
    assert unused.asked == []


def test_file_without_key_is_for_its_recipients_alone(
    tmp_path: Path, age: tuple[str, Path]
) -> None:
    services = FileServices()
    write(tmp_path / "file", services, age[0], key=None)
    assert read(tmp_path / "file", services, age[1]) == b"content"
    assert services.asked == []
    with pytest.raises(DecryptionFailed):
        read(tmp_path / "file", services)


def test_other_identity_cannot_decrypt(tmp_path: Path, age: tuple[str, Path]) -> None:
    write(tmp_path / "file", FileServices(), age[0])
    other = tmp_path / "other"
    write_private(other, str(pyrage.x25519.Identity.generate()))
    with pytest.raises(DecryptionFailed):
        read(tmp_path / "file", FileServices(), other)


def test_second_key_decrypts_if_the_first_is_denied(tmp_path: Path) -> None:
    services = FileServices()
    write(tmp_path / "file", services, "audit", "archive/prod/backups")
    services.denied = {"parcels/prod/pii", "parcels/prod/audit"}
    assert read(tmp_path / "file", services) == b"content"
    services.denied.add("archive/prod/backups")
    with pytest.raises(AccessDenied):
        read(tmp_path / "file", services)


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "age1",
        "age1qqqq",
        "AGE-SECRET-KEY-1XX",
        "Pii",
        "a/b",
        "a/b/c/d",
        "A/prod/pii",
        "x/prod/..",
    ],
)
def test_malformed_recipient_is_rejected_before_any_request(tmp_path: Path, recipient: str) -> None:
    services = FileServices()
    with pytest.raises(EncryptionError, match="recipient"):
        write(tmp_path / "file", services, recipient)
    assert services.service.requests == []
    assert list(tmp_path.iterdir()) == []


def test_file_for_nobody_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="name one"):
        write(tmp_path / "file", FileServices(), key=None)


def test_low_order_point_as_recipient_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(EncryptionError, match="age-keygen -y"):
        write(tmp_path / "file", FileServices(), bech32.encode("age", bytes(32)))


def test_too_many_recipients_are_rejected(tmp_path: Path, age: tuple[str, Path]) -> None:
    others = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(16)]
    services = FileServices()
    with pytest.raises(EncryptionError, match="17 recipients"):
        write(tmp_path / "file", services, *others)
    assert services.asked == []
    write(tmp_path / "file", FileServices(), *others[:14], age[0])
    assert read(tmp_path / "file", FileServices(), age[1]) == b"content"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "no key\n", "AGE-SECRET-KEY-1QQ\n"])
def test_identity_file_without_a_key_is_rejected(tmp_path: Path, text: str) -> None:
    write(tmp_path / "file", FileServices())
    write_private(tmp_path / "identity", text)
    with pytest.raises(ConfigurationError, match="age-keygen"):
        read(tmp_path / "file", FileServices(), tmp_path / "identity")


def test_error_of_an_identity_never_holds_the_key(tmp_path: Path) -> None:
    write(tmp_path / "file", FileServices())
    write_private(tmp_path / "identity", f"{pyrage.x25519.Identity.generate()}x")
    with pytest.raises(ConfigurationError) as caught:
        read(tmp_path / "file", FileServices(), tmp_path / "identity")
    assert "AGE-SECRET" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


# Rewrapping -------------------------------------------------------------------------------------


def test_rewrap_moves_the_header_to_the_newest_key_and_leaves_the_body(tmp_path: Path) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services)
    before, inode = path.read_bytes(), path.stat().st_ino
    services.service.rotate()
    file_cipher(services).rewrap(path)
    after = path.read_bytes()
    services.service.oldest = 2
    assert read(path, services) == b"content"
    assert after[:1024] == before[:1024]
    assert after[4096:] == before[4096:]
    assert after[1024:4096] != before[1024:4096]
    assert path.stat().st_ino == inode
    assert [operation for operation, _ in services.service.requests] == ["wrap", "rewrap", "unwrap"]


def test_rewrap_keeps_keys_of_other_services_and_of_age(
    tmp_path: Path, age: tuple[str, Path]
) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services, "archive/prod/backups", age[0])
    before = parse_header(path.read_bytes()[:4096]).recipients
    file_cipher(services).rewrap(path)
    after = parse_header(path.read_bytes()[:4096]).recipients
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_rewrap_with_recipients_replaces_them(tmp_path: Path, age: tuple[str, Path]) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services, "audit")
    file_cipher(services).rewrap(path, recipients=[age[0]])
    assert read(path, FileServices(), age[1]) == b"content"
    services.denied = {"parcels/prod/pii"}
    with pytest.raises(AccessDenied):
        read(path, services)


def test_rewrap_by_identity_needs_no_other_recipient(tmp_path: Path, age: tuple[str, Path]) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services, age[0], key=None)
    file_cipher(services).rewrap(path, recipients=[], identity=age[1])
    assert read(path, services) == b"content"


def states_of_a_replacement(before: bytes, after: bytes) -> dict[str, bytes]:
    """Return the states between *before* and *after*: after each write, and within each."""
    second = before[:SECOND_COPY] + after[SECOND_COPY : SECOND_COPY + COPY] + before[4096:]
    return {
        "second copy written in part": before[: SECOND_COPY + 700]
        + after[SECOND_COPY + 700 : SECOND_COPY + COPY]
        + before[4096:],
        "second copy written": second,
        "first copy written in part": second[: FIRST_COPY + 700]
        + after[FIRST_COPY + 700 : SECOND_COPY]
        + second[SECOND_COPY:],
        "both copies written": after,
    }


def test_interrupted_rewrap_loses_nothing(tmp_path: Path) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services)
    before = path.read_bytes()
    services.service.rotate()
    file_cipher(services).rewrap(path)
    for name, state in states_of_a_replacement(before, path.read_bytes()).items():
        path.write_bytes(state)
        if "in part" in name:
            with pytest.raises(DecryptionFailed):
                read(path, services)
        else:
            assert read(path, services) == b"content", name
        file_cipher(services).rewrap(path)
        assert read(path, services) == b"content", name


def test_rewrap_of_a_damaged_copy_repairs_it_before_it_writes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services)
    damaged = bytearray(path.read_bytes())
    damaged[SECOND_COPY + 5] ^= 1
    path.write_bytes(damaged)
    states: list[bytes] = []
    monkeypatch.setattr(os, "fsync", lambda _descriptor: states.append(path.read_bytes()))
    file_cipher(services).rewrap(path)
    assert len(states) == 4
    assert all(parse_header(state[:4096]).is_intact for state in states)


def test_rewrap_with_both_copies_damaged_is_rejected(tmp_path: Path) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services)
    damaged = bytearray(path.read_bytes())
    damaged[FIRST_COPY + 5] ^= 1
    damaged[SECOND_COPY + 5] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DecryptionFailed):
        file_cipher(services).rewrap(path)
    assert path.read_bytes() == damaged


def test_rewrap_of_an_altered_wrapped_key_changes_nothing(tmp_path: Path) -> None:
    services, path = FileServices(), tmp_path / "file"
    write(path, services)
    header = parse_header(path.read_bytes()[:4096])
    key = header.recipients[0].content
    forged = Recipient(1, key[:-1] + bytes((key[-1] ^ 1,)))
    path.write_bytes(headers.Header(header.preamble, (forged,)).encode() + path.read_bytes()[4096:])
    before = path.read_bytes()
    with pytest.raises(DecryptionFailed):
        file_cipher(services).rewrap(path)
    assert path.read_bytes() == before


def test_file_key_wrapped_for_another_scope_is_rejected() -> None:
    services, out = FileServices(), io.BytesIO()
    file_cipher(services).encrypt_stream(io.BytesIO(b"content"), out)
    header = parse_header(out.getvalue()[:4096])
    content = header.recipients[0].content
    other = str(Scope("parcels", Environment("prod")).service) + "/prod/abc"
    moved = bytes((len(other),)) + other.encode() + content[1 + content[0] :]
    forged = headers.Header(header.preamble, (Recipient(1, moved),)).encode()
    assert SCOPE.service in other
    with pytest.raises(DecryptionFailed):
        file_cipher(services).decrypt_stream(
            io.BytesIO(forged + out.getvalue()[4096:]), io.BytesIO()
        )


def test_recipient_of_another_file_is_rejected() -> None:
    services, one, other = FileServices(), io.BytesIO(), io.BytesIO()
    for out in (one, other):
        file_cipher(services).encrypt_stream(io.BytesIO(b"content"), out)
    headers_of = [parse_header(out.getvalue()[:4096]) for out in (one, other)]
    forged = headers.Header(headers_of[0].preamble, headers_of[1].recipients).encode()
    with pytest.raises(DecryptionFailed):
        file_cipher(services).decrypt_stream(
            io.BytesIO(forged + one.getvalue()[4096:]), io.BytesIO()
        )
