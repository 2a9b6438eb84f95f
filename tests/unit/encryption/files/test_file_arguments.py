"""Wrong arguments and special files: what is rejected, before any request and without a secret."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from uuid import UUID

import pytest

from app_integration import open_encrypted
from app_integration.encryption.tokens.encryption_context import Context
from app_integration.errors import EncryptionError, InvalidContext
from app_integration.host_commands import encrypt_file, inspect_file
from tests.support.models.file_parts import IDENTITY, RECIPIENT, FileServices, file_cipher


@pytest.mark.parametrize("text", [IDENTITY, IDENTITY.lower(), f"shop/prod/{IDENTITY}"])
def test_private_key_as_recipient_is_rejected_without_showing_it(text: str) -> None:
    with pytest.raises(EncryptionError, match="private key") as caught:
        file_cipher().new_file_key([text])
    assert IDENTITY[20:].lower() not in str(caught.value).lower()


def test_one_text_as_recipients_is_rejected_before_any_request() -> None:
    services = FileServices()
    with pytest.raises(EncryptionError, match="list"):
        file_cipher(services).new_file_key("audit")
    assert services.asked == []


def test_context_that_is_no_mapping_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidContext, match="use a mapping"):
        file_cipher().create(tmp_path / "file", context=[("of", "x")])  # type: ignore[arg-type] # invalid on purpose
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", ["w", "r", "ab", "r+b", "xb"])
def test_open_encrypted_with_another_mode_is_rejected(tmp_path: Path, mode: str) -> None:
    with pytest.raises(ValueError, match="use 'rb' or 'wb'"):
        open_encrypted(tmp_path / "file", mode)  # type: ignore[call-overload] # invalid on purpose
    assert list(tmp_path.iterdir()) == []


def test_file_that_says_another_size_is_encrypted_whole(tmp_path: Path) -> None:
    source, target = Path("/proc/self/status"), tmp_path / "file"
    assert source.stat().st_size == 0
    cipher = file_cipher()
    cipher.encrypt_file(source, target)
    with cipher.open(target) as reader:
        assert reader.readline() == source.read_bytes().splitlines(keepends=True)[0]


def test_inspect_shows_a_context_of_every_type(tmp_path: Path) -> None:
    context: Context = {"text": "a", "number": 7, "truth": True, "raw": b"\x01", "id": UUID(int=1)}
    file_cipher().create(tmp_path / "file", context=context).close()
    shown = json.loads(json.dumps(inspect_file.inspect(tmp_path / "file")))["context"]
    assert {name: shown[name] for name in context} == {
        "text": "a",
        "number": 7,
        "truth": True,
        "raw": "01",
        "id": "00000000-0000-0000-0000-000000000001",
    }


def test_encrypt_file_without_a_standard_output_object_writes_to_its_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Python has no such object if the descriptor was closed at the start."""
    (tmp_path / "plain").write_bytes(b"content")
    monkeypatch.setattr(sys, "stdout", None)
    options = ["--no-key", "--recipient", RECIPIENT, "--service", "shop", "--env", "prod"]
    assert encrypt_file.main([str(tmp_path / "plain"), *options]) == 0
    assert capfdbinary.readouterr().out.startswith(b"strongroom file")


def test_command_prints_no_escape_sequence_of_a_file_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inspect_file.main([str(tmp_path / "a\x1b[31m")]) == 1
    assert "a\\x1b[31m" in capsys.readouterr().err
