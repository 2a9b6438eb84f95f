"""Access records: written before a secret is released, counted in windows, not forgeable."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app_integration.auth.methods import AppRole
from app_integration.client import Client
from app_integration.errors import AuditFailed
from app_integration.names import Environment, Scope
from app_integration.observability import redaction
from app_integration.observability.audit_log import (
    AGGREGATE_WINDOW,
    MAX_WINDOWS,
    AuditLog,
)
from app_integration.observability.audit_sinks import CHECK_INTERVAL, FileSink, open_sink
from app_integration.secret_store.store import SecretStore
from app_integration.session.session import Session
from app_integration.settings import Settings
from tests.support.clock import Clock
from tests.support.servers.scripted_server import REVOKE, Server
from tests.unit.secret_store.test_store import Script

SCOPE = Scope("shop", Environment.PROD)
FORGED = 'x","outcome":"hit"}\n{"secret":"y\u2028\u0085'


class Disk:
    """A sink that can be full."""

    def __init__(self) -> None:
        self.full = False
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.lines.append(line)

    def counts(self) -> list[int]:
        return [json.loads(line)["count"] for line in self.lines]

    def counts_by_secret(self) -> list[tuple[str, int]]:
        return [(json.loads(line)["secret"], json.loads(line)["count"]) for line in self.lines]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def log(disk: Disk, clock: Clock) -> AuditLog:
    return AuditLog(SCOPE, disk, mode="aggregate", clock=clock)


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_get_without_a_written_record_raises_audit_failed(disk: Disk, mode: str) -> None:
    audit = AuditLog(SCOPE, disk, mode=mode)
    store = SecretStore([Script("one")], audit, registry=redaction.SecretRegistry())
    disk.full = True
    for _ in range(5):
        with pytest.raises(AuditFailed, match="No space left on device"):
            store.get("jwt-secret")
    disk.full = False
    assert store.get("jwt-secret") == "one"
    assert len(disk.lines) == 1


def test_record_with_a_full_disk_opens_no_window(disk: Disk, clock: Clock, log: AuditLog) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
    clock.now += AGGREGATE_WINDOW
    disk.full = True
    for _ in range(2):
        with pytest.raises(AuditFailed):
            log.record("get_secret", "x", "hit")
    disk.full = False
    log.record("get_secret", "x", "hit")
    assert disk.counts() == [1, 3]


def test_close_writes_the_counts_once(disk: Disk, log: AuditLog) -> None:
    for _ in range(1000):
        log.record("get_secret", "x", "hit")
    log.record("get_secret", "y", "hit")
    log.close()
    log.close()
    assert disk.counts() == [1, 1, 999]
    assert sum(disk.counts()) == 1001


def test_record_of_another_secret_writes_expired_counts(
    disk: Disk, clock: Clock, log: AuditLog
) -> None:
    for _ in range(5):
        log.record("get_secret", "x", "hit")
    clock.now += AGGREGATE_WINDOW
    log.record("get_secret", "y", "hit")
    assert disk.counts_by_secret() == [("x", 1), ("y", 1), ("x", 4)]
    assert len(log._windows) == 1


def test_close_with_a_full_disk_keeps_the_counts(disk: Disk, log: AuditLog) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
    disk.full = True
    with pytest.raises(AuditFailed):
        log.close()
    disk.full = False
    log.close()
    assert disk.counts() == [1, 2]


def test_record_after_the_clock_went_back_writes_all_counts(
    disk: Disk, clock: Clock, log: AuditLog
) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
        log.record("get_secret", "y", "hit")
    clock.now -= 100 * AGGREGATE_WINDOW
    log.record("get_secret", "x", "hit")
    assert disk.counts_by_secret() == [("x", 1), ("y", 1), ("x", 3), ("y", 2)]


def test_windows_are_bounded_and_lose_no_count(disk: Disk, log: AuditLog) -> None:
    for number in range(MAX_WINDOWS + 1):
        for _ in range(2):
            log.record("get_secret", f"n{number}", "hit")
    assert len(log._windows) == MAX_WINDOWS
    log.close()
    assert sum(disk.counts()) == 2 * (MAX_WINDOWS + 1)


def test_audit_log_in_a_forked_child_counts_from_zero(disk: Disk, log: AuditLog) -> None:
    for _ in range(3):
        log.record("get_secret", "x", "hit")
    log.reset_after_fork()
    log.close()
    assert disk.counts() == [1]


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_record_with_a_hostile_name_writes_one_line(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "access.jsonl"
    audit = AuditLog(SCOPE, FileSink(path), mode=mode)
    audit.record("get_secret", FORGED, "miss", source=FORGED)
    (line,) = path.read_text(encoding="ascii").splitlines()
    record = json.loads(line)
    assert (record["secret"], record["source"]) == (FORGED, FORGED)
    assert (record["service"], record["environment"]) == ("shop", "prod")


def test_open_sink_without_a_file_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    audit = AuditLog(SCOPE, open_sink(None))
    audit.record("get_secret", "x", "hit")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert json.loads(printed.err)["secret"] == "x"


def test_client_close_with_a_failing_audit_revokes_the_token(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app_integration.observability.audit_sinks.CHECK_INTERVAL", 0.0)
    settings = Settings(SCOPE, "https://vault", audit_mode="aggregate", audit_file=tmp_path / "a")
    files = tmp_path / "r", tmp_path / "s"
    client = Client(
        settings, session=Session("https://vault", AppRole(*files), connect=lambda: server)
    )
    for name in ("r", "s"):
        (tmp_path / name).write_text("x")
    server.answers["secret/data/shop/prod/x"] = [
        {"data": {"data": {"value": "one"}, "metadata": {"version": 1}}}
    ]
    for _ in range(3):
        assert client.secrets.get("x") == "one"
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    with pytest.raises(AuditFailed):
        client.close()
    assert server.count(REVOKE) == 1


def test_record_has_the_hmac_of_the_tokens_accessor(disk: Disk, clock: Clock) -> None:
    accessors: list[str | None] = [None, "hmac-sha256:1", "hmac-sha256:1", "hmac-sha256:2"]
    audit = AuditLog(SCOPE, disk, accessor=lambda: accessors[len(disk.lines)], clock=clock)
    for _ in accessors:
        audit.record("get_secret", "x", "hit", source="vault", version=3, request_id="r-1")
    assert [json.loads(line).get("accessor") for line in disk.lines] == accessors
    last = json.loads(disk.lines[-1])
    assert last == {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": "1970-01-01T00:16:40.000+00:00",
        "service": "shop",
        "environment": "prod",
        "accessor": "hmac-sha256:2",
        "operation": "get_secret",
        "secret": "x",
        "outcome": "hit",
        "source": "vault",
        "version": 3,
        "request_id": "r-1",
    }


def test_record_in_a_forked_child_has_its_pid(disk: Disk) -> None:
    audit = AuditLog(SCOPE, disk)
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        audit.record("get_secret", "x", "hit")
        os.write(write, b"%d" % json.loads(disk.lines[0])["pid"])
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read, 20)) == child


def test_record_to_a_closed_stream_raises_audit_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    audit = AuditLog(SCOPE, open_sink(None))
    with pytest.raises(AuditFailed, match="closed"):
        audit.record("get_secret", "x", "hit")


def test_file_sink_after_log_rotation_creates_a_new_file(tmp_path: Path, clock: Clock) -> None:
    path, rotated = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    sink = FileSink(path, clock)
    sink("one")
    path.rename(rotated)
    sink("two")  # into the moved file, because the sink checks the path once a second
    clock.now += CHECK_INTERVAL
    sink("three")
    assert (rotated.read_text(), path.read_text()) == ("one\ntwo\n", "three\n")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.timeout(20)
def test_file_sink_of_a_pipe_without_a_reader_raises_and_does_not_wait(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "a.jsonl"
    os.mkfifo(path)
    sink = FileSink(path, clock)
    with pytest.raises(OSError, match="No such device or address"):
        sink("one")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        sink("two")
        assert os.read(reader, 100) == b"two\n"
        assert sink._descriptor is not None
        assert os.get_blocking(sink._descriptor)
    finally:
        os.close(reader)


def test_file_sink_with_a_partial_write_raises_and_spoils_no_other_line(tmp_path: Path) -> None:
    """A limit of 100 bytes makes the kernel write only part of a line, as on a full disk."""
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from app_integration.observability.audit_sinks import FileSink\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))\n"
        "sink = FileSink(Path(sys.argv[1])); sink('a' * 59)\n"
        "for _ in range(2):\n"
        "    try: sink('b' * 59)\n"
        "    except OSError as error: print(error.strerror)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "sink('c' * 59)\n"
    )
    path = tmp_path / "a.jsonl"
    process = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True
    )
    assert process.stdout.splitlines() == ["No space left on device", "File too large"]
    assert path.read_text().splitlines() == ["a" * 59, "b" * 40, "c" * 59]


@pytest.mark.parametrize("mode", ["each", "aggregate"])
def test_signal_handler_that_reads_a_secret_within_a_write_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    path = tmp_path / "access.jsonl"
    audit = AuditLog(SCOPE, FileSink(path), mode=mode)
    write = os.write

    def interrupted(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        signal.raise_signal(signal.SIGUSR1)
        return write(descriptor, data)

    previous = signal.signal(
        signal.SIGUSR1, lambda *_: audit.record("get_secret", "smtp-password", "hit")
    )
    monkeypatch.setattr(os, "write", interrupted)
    try:
        audit.record("get_secret", "jwt-secret", "hit")
    finally:
        signal.signal(signal.SIGUSR1, previous)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["secret"] for line in lines] == ["smtp-password", "jwt-secret"]
