"""Command ``logs read`` without a server, and how it prints records."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app_integration._internal.private_file import write_private
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.encryption.files.recipient import ServiceKey
from app_integration.names import Environment, Scope
from app_integration.observability.encrypted_log import EncryptedLogHandler
from console.commands.audit.logs import as_line
from tests.support import bech32
from tests.support.processes.command import run_command

SCOPE = Scope("shop", Environment.PROD)


def no_server(key: ServiceKey) -> None:
    raise AssertionError(key)


def write_identity(file: Path) -> str:
    """Write a private key of age to *file*, and return its public key."""
    key = X25519PrivateKey.generate()
    write_private(file, bech32.encode("age-secret-key-", key.private_bytes_raw()).upper())
    return bech32.encode("age", key.public_key().public_bytes_raw())


def write_log(folder: Path, recipient: str) -> None:
    files = FileCipher(no_server, SCOPE, None)  # type: ignore[arg-type]
    handler = EncryptedLogHandler(files, folder, recipients=[recipient])
    handler.emit(logging.makeLogRecord({"msg": "one"}))
    handler.close()


def test_identity_reads_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, identity, other = tmp_path / "logs", tmp_path / "identity", tmp_path / "other"
    folder.mkdir()
    write_log(folder, write_identity(identity))
    write_identity(other)
    monkeypatch.chdir(tmp_path)  # in no repository
    command = ("logs", "read", str(folder), "--identity")
    assert run_command(monkeypatch, *command, str(identity)) == 0
    assert capsys.readouterr().out == "one\n"
    assert run_command(monkeypatch, *command, str(other)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "is altered, or not encrypted for this reader" in err.replace("\n", " ")


def test_report_of_a_file_does_not_control_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = tmp_path / "identity"
    write_identity(identity)
    (tmp_path / "a\x1b[2J.log").write_bytes(b"no log")
    monkeypatch.chdir(tmp_path)
    command = ("logs", "read", "a\x1b[2J.log", "--identity", "identity")
    assert run_command(monkeypatch, *command) == 2
    err = capsys.readouterr().err
    assert r"a\x1b[2J.log" in err
    assert "\x1b" not in err


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (b"plain \xc3\xa9 \xf0\x9f\x98\x80", "plain é 😀"),
        (b"two\nlines\r\n", r"two\nlines\r\n"),
        (b"a\ttab", "a\ttab"),
        (b"\x1b[2J\x9b", r"\x1b[2J\x9b"),
        ("\u2028\u0085\u202e".encode(), r"\u2028\x85\u202e"),
        (b"\xff", r"\xff"),
    ],
)
def test_as_line_returns_one_line_that_controls_nothing(record: bytes, line: str) -> None:
    assert as_line(record) == line
