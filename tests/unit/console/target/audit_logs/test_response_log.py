"""Audit logs of the ledger and of rotations: which ones need the store, and its extra."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS
from app_integration.names import Environment
from console.commands.rotate import rotation
from console.target.audit_logs import log_sources
from console.target.audit_logs.response_log import check_audit_logs, open_response_log
from console.target.target import open_target
from tests.support.models.audit_archive import archive_site, file_cipher
from tests.support.models.audit_lines import line, program, secret
from tests.support.processes.command import run_command
from vault.audit.ingest.ingestion import ingest
from vault.audit.ingest.source import find_server_logs
from vault.rotation.inventory import Item
from vault.rotation.item_kind import Kind
from vault.rotation.ledger.last_reads import read_audit_logs
from vault.rotation.response_log import ResponseLog

STAGING = Environment("staging")
SECRET = Item(Kind.SECRET, "shop", "token", "shop/staging/token", 60, is_declared=True)
LINE = line("secret/data/shop/staging/token", auth=program("shop-staging"), response=secret(3))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log with a read."""
    path = tmp_path / "audit-1.log"
    path.write_text(json.dumps(LINE) + "\n", encoding="utf-8")
    return path


def compress(path: Path) -> Path:
    compressed = path.with_name(f"{path.name}.1.gz")
    compressed.write_bytes(gzip.compress(path.read_bytes()))
    return compressed


def read(log: ResponseLog | None) -> int | None:
    assert log is not None
    return read_audit_logs(log, [SECRET], DEFAULT_MOUNTS).reads[SECRET].version


def test_plain_log_is_read_without_the_extra(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    check_audit_logs([log], None)
    assert read(open_response_log(open_target(STAGING, log.parent), [log], None)) == 3
    assert not (log.parent / "audit-staging").exists()


@pytest.mark.parametrize(
    ("find", "has_store"), [(compress, False), (Path, True)], ids=["compressed", "store"]
)
def test_other_log_without_the_extra_is_rejected(
    find: Callable[[Path], Path], has_store: bool, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    paths, store = [find(log)], log.parent / "store" if has_store else None
    found = open_response_log(open_target(STAGING, log.parent), paths, store)
    message = r"install the tool with its extra: strongroom"
    with pytest.raises(ConfigurationError, match=message):
        check_audit_logs(paths, store)
    with pytest.raises(ConfigurationError, match=message):
        read(found)


def test_compressed_log_is_read_through_the_default_store(log: Path) -> None:
    found = open_response_log(open_target(STAGING, log.parent), [compress(log)], None)
    log.unlink()
    assert read(found) == 3
    assert (log.parent / "audit-staging" / "index.json").exists()


def test_store_alone_is_asked_for_what_is_in_it(log: Path) -> None:
    store = log.parent / "store"
    assert read(open_response_log(open_target(STAGING, log.parent), [log], store)) == 3
    log.unlink()
    assert read(open_response_log(open_target(STAGING, log.parent), [], store)) == 3


def test_environment_without_a_log_has_none(tmp_path: Path) -> None:
    assert open_response_log(open_target(STAGING, tmp_path), [], None) is None


def test_folder_without_a_segment_is_rejected_before_a_rotation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rotation, "open_rotations", lambda *_: pytest.fail("a session was opened"))
    assert run_command(monkeypatch, "rotate", "token", "--env", "dev", "--audit-log", "/") == 1
    assert "/ has no segment; name the folder of an archive" in capsys.readouterr().err


def test_file_that_is_no_audit_log_is_rejected_before_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rotation, "open_rotations", lambda *_: pytest.fail("a session was opened"))
    (other := tmp_path / "syslog").write_text("Nov 30 13:00:00 host sshd: accepted\n")
    command = ("rotate", "token", "--env", "dev", "--audit-log", str(other))
    assert run_command(monkeypatch, *command) == 1
    assert f"{other} has no line of an audit log" in capsys.readouterr().err
    with pytest.raises(pytest.fail.Exception, match="a session was opened"):
        run_command(monkeypatch, *command, "--compromised")


def test_segment_in_the_store_is_not_decrypted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotator may not decrypt, and asks the store that the auditor has filled."""
    monkeypatch.setattr(log_sources, "open_job_session", lambda *_: pytest.fail("a login"))
    store = tmp_path / "store"
    content = json.dumps(LINE, separators=(",", ":")).encode()
    with archive_site(tmp_path) as site:
        site.archive(1, lines=[content])
        ingest(find_server_logs([site.folder]), store, unwrap=file_cipher().unwrap)
        assert read(open_response_log(open_target(STAGING, tmp_path), [site.folder], store)) == 3
        site.archive(2, lines=[content.replace(b"2026", b"2025")])
        with pytest.raises(pytest.fail.Exception, match="a login"):
            read(open_response_log(open_target(STAGING, tmp_path), [site.folder], store))
