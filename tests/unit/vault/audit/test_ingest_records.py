"""Access records of the SDK, plain and encrypted, joined with the server's lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app_integration.encryption.files.file_cipher import FileCipher
from app_integration.errors import ConfigurationError
from app_integration.observability.encrypted_log import EncryptedSink
from app_integration.testing.application import MemoryApplication
from tests.unit.vault.audit.conftest import line
from vault.audit.damage import Reason
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import Source, find_records
from vault.audit.store import open_store


def record(number: int, **fields: object) -> bytes:
    """Return an access record without its newline."""
    document = {
        "time": f"2026-11-28T05:00:{number:02}.500+01:00",
        "service": "shop",
        "environment": "dev",
        "pid": 7,
        "operation": "get_secret",
        "secret": "key",
        "outcome": "miss",
        "version": 3,
        "request_id": f"00000000-0000-0000-0000-{number:012}",
        "more": {"of": "it"},
    }
    return json.dumps(document | fields, separators=(",", ":")).encode()


def test_records_are_joined_with_lines_by_request_id(tmp_path: Path) -> None:
    (tmp_path / "access.jsonl").write_bytes(b"\n".join([record(1), record(2, pid="x"), b""]))
    (tmp_path / "audit-1.log").write_bytes(line(1) + b"\n")
    sources = [*find_records([tmp_path]), Source.server_log(tmp_path / "audit-1.log")]
    found = ingest(sources, tmp_path / "store")
    assert (found.new_lines, found.damage) == (3, ())
    with open_store(tmp_path / "store") as connection:
        rows = connection.execute(
            "SELECT records.service, records.time::VARCHAR, pid, records.version, events.actor"
            " FROM records LEFT JOIN events USING (request_id) ORDER BY records.time"
        ).fetchall()
    assert rows == [
        ("shop", "2026-11-28 04:00:01.5", 7, 3, "shop-dev"),
        ("shop", "2026-11-28 04:00:02.5", None, 3, None),
    ]


def test_damaged_record_is_named(tmp_path: Path) -> None:
    lines = [record(1), record(2)[:50], record(9)[:40] + record(3), b'{"time":"x"}', b"", b""]
    (tmp_path / "access.jsonl").write_bytes(b"\n".join(lines))
    found = ingest(find_records([tmp_path]), tmp_path / "store")
    assert found.new_lines == 2
    assert [(each.damage.line, each.damage.reason) for each in found.damage] == [
        (2, Reason.TORN),
        (3, Reason.GLUED),
        (4, Reason.WRONG_TYPE),
    ]


def test_folder_has_only_files_of_records(tmp_path: Path) -> None:
    for name in ("access.jsonl", "access.jsonl.1", "vault.log", "a.log.encrypted"):
        (tmp_path / name).touch()
    found = [source.path.name for source in find_records([tmp_path])]
    assert found == ["a.log.encrypted", "access.jsonl", "access.jsonl.1"]


@pytest.fixture
def cipher(vault: MemoryApplication) -> FileCipher:
    """Return the cipher with the service's key ``audit``."""
    vault.make_key("audit")
    return vault.client.files("audit")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Return an empty folder of logs."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def sink(logs: Path, vault: MemoryApplication, cipher: FileCipher) -> EncryptedSink:
    """Return what writes encrypted access records to the folder."""
    return EncryptedSink(logs / "access.jsonl", vault.scope, cipher.new_file_key)


def test_encrypted_records_are_read_once(
    tmp_path: Path, logs: Path, sink: EncryptedSink, cipher: FileCipher
) -> None:
    store = tmp_path / "store"
    counts = []
    for number in range(3):
        sink(record(number).decode())
        counts.append(ingest(find_records([logs]), store, unwrap=cipher.unwrap).new_lines)
    sink.close()
    counts.append(ingest(find_records([logs]), store, unwrap=cipher.unwrap).new_lines)
    assert counts == [1, 1, 1, 0]
    with open_store(store) as connection:
        assert connection.execute("SELECT count(DISTINCT request_id) FROM records").fetchone() == (
            3,
        )


def test_altered_encrypted_records_are_named(
    tmp_path: Path, logs: Path, sink: EncryptedSink, cipher: FileCipher
) -> None:
    for number in range(3):
        sink(record(number).decode())
    sink.close()
    (file,) = find_records([logs])
    data = bytearray(file.path.read_bytes())
    data[-200] ^= 1
    file.path.write_bytes(data)
    found = ingest([file], tmp_path / "store", unwrap=cipher.unwrap)
    assert found.new_lines < 3
    assert [each.damage.reason for each in found.damage] == [Reason.ALTERED]


def test_encrypted_records_without_a_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.log.encrypted").touch()
    with pytest.raises(ConfigurationError, match=r"a\.log\.encrypted is encrypted, and there is"):
        ingest(find_records([tmp_path]), tmp_path / "store")
