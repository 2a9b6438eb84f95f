"""Encrypted access records: before the release, for an auditor only, and never in plaintext."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app_integration.client import Client
from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import AuditFailed, ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.observability.log_reader import LogReader
from app_integration.settings import Settings
from app_integration.testing.application import MemoryApplication
from app_integration.testing.faults import Fault
from tests.support.models.encrypted_logs import names, read_log

pytestmark = pytest.mark.usefixtures("files")  # because its key encrypts all records


@pytest.fixture
def client(vault: MemoryApplication, folder: Path) -> Iterator[Client]:
    vault.put("jwt-secret", "a-signing-key-of-thirty-two-byte")
    settings = replace(vault.client.settings, audit_key="audit", audit_file=folder / "access.jsonl")
    client = Client(settings, session=vault.client.session, clock=vault.server.clock)
    yield client
    client.close()


def test_record_is_encrypted_before_the_value_is_returned(
    client: Client, files: FileCipher, folder: Path
) -> None:
    assert client.secrets.get("jwt-secret") == "a-signing-key-of-thirty-two-byte"
    assert names(folder) == ["access-000001.log.encrypted"]
    (record,) = map(json.loads, read_log(files, folder).records)
    assert (record["secret"], record["outcome"]) == ("jwt-secret", "miss")
    assert b"jwt-secret" not in next(folder.iterdir()).read_bytes()


def test_close_writes_the_last_counts_and_the_last_frame(
    vault: MemoryApplication, client: Client, files: FileCipher, folder: Path
) -> None:
    settings = replace(client.settings, audit_mode="aggregate")
    counting = Client(settings, session=vault.client.session, clock=vault.server.clock)
    for _ in range(3):
        counting.secrets.get("jwt-secret")
    said: list[str] = []
    reader = LogReader([folder], files.unwrap, said.append)
    assert [json.loads(record)["count"] for record in reader.read()] == [1, 1]
    counting.close()
    assert [json.loads(record)["count"] for record in reader.read_new()] == [1]
    reader.finish()
    assert said == []


def test_record_without_the_key_service_raises_audit_failed(
    vault: MemoryApplication, client: Client, folder: Path
) -> None:
    with (
        vault.fault(Fault.UNREACHABLE, "transit/encrypt"),
        pytest.raises(AuditFailed, match="check STRONGROOM_AUDIT_KEY"),
    ):
        client.secrets.get("jwt-secret")
    assert list(folder.iterdir()) == []
    assert client.secrets.get("jwt-secret")


def test_record_without_the_right_to_encrypt_names_the_rule(
    vault: MemoryApplication, client: Client
) -> None:
    with (
        vault.fault(Fault.DENIED, "transit/encrypt"),
        pytest.raises(AuditFailed, match="transit/encrypt/app-staging-audit"),
    ):
        client.secrets.get("jwt-secret")


def test_record_on_a_full_disk_raises_audit_failed(
    client: Client, files: FileCipher, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    client.secrets.get("jwt-secret")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(AuditFailed, match="check STRONGROOM_AUDIT_FILE"):
            client.secrets.get("jwt-secret")
    assert client.secrets.get("jwt-secret")
    found = read_log(files, folder)
    assert [json.loads(record)["outcome"] for record in found.records] == ["miss", "hit"]
    assert not found.has_fault


def test_record_without_a_folder_raises_audit_failed(client: Client, folder: Path) -> None:
    shutil.rmtree(folder)
    with pytest.raises(AuditFailed, match="No such file"):
        client.secrets.get("jwt-secret")


def test_record_in_development_is_a_warning(
    vault: MemoryApplication, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        Scope("app", Environment.DEV), "", audit_key="audit", audit_file=folder / "access.jsonl"
    )
    client = Client(settings, clock=vault.server.clock)
    assert client.secrets.get("jwt-secret", default="none") == "none"
    assert "check STRONGROOM_AUDIT_KEY" in caplog.text
    client.close()


def test_audit_file_with_a_name_that_is_no_log_is_rejected(client: Client, folder: Path) -> None:
    wrong = Client(replace(client.settings, audit_file=folder / "access records.jsonl"))
    with pytest.raises(ConfigurationError, match="log name 'access records'"):
        wrong.open_audit_sink()
