"""Archive of a real server's audit logs: no line is lost or doubled, whatever happens meanwhile."""

from __future__ import annotations

import json
import random
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import AccessDenied
from app_integration.secret import Secret
from app_integration.session.session import Session
from tests.support.models.audit_archive import file_cipher
from tests.support.models.file_parts import RECIPIENT
from tests.support.processes import archive_worker as worker
from tests.support.processes.command import run_command
from tests.support.processes.file_worker import write_identity
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server
from tests.support.servers.deployment import Deployment
from vault.audit.archive.live_log import LiveLog
from vault.audit.archive.segment_file import read_segment_file
from vault.audit.archive.verification import verify

pytestmark = pytest.mark.requires("embedded")

LOGS: Final = ("audit-1.log", "audit-2.log")
ROTATIONS: Final = 20
CLIENTS: Final = 3
KILLS: Final = 200
LONGEST: Final = 0.3  # seconds, in which about half of the runs end
SEED: Final = 20261203
SECRET: Final = "secret/data/archive"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditedServer]:
    with audited_server(tmp_path_factory.mktemp("server"), logs=LOGS) as running:
        running.root.post(SECRET, {"data": {"value": "invented"}})
        running.await_single_writer(logs_of(running))
        yield running


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def logs_of(server: AuditedServer) -> list[Path]:
    return [server.folder / name for name in LOGS]


def read(server: AuditedServer, count: int = 1) -> list[str]:
    """Read a secret, and return the ids of the requests."""
    return [str(server.root.get(SECRET)["request_id"]) for _ in range(count)]


@dataclass
class Load:
    """Clients that read a secret until they are stopped."""

    server: AuditedServer
    ids: list[str] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def read(self) -> None:
        with Session(self.server.address, StaticToken(Secret(ROOT_TOKEN))) as session:
            while not self._is_over.is_set():
                self.ids.append(str(session.get(SECRET)["request_id"]))

    @contextmanager
    def running(self) -> Iterator[None]:
        clients = [threading.Thread(target=self.read) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._is_over.set()
            for client in clients:
                client.join()


def logged(archive: Path, log: str) -> tuple[Counter[str], Counter[str]]:
    """Return the ids of requests and of responses in all segments of a log."""
    found: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    for path in archive.glob(f"{log}-*.encrypted"):
        for line in b"".join(read_segment_file(path, file_cipher().unwrap)).splitlines():
            (identity,) = re.findall(rb'"id":"([0-9a-f-]{36})"', line)[:1] or [b""]
            found[b'"type":"response"' in line].update([identity.decode()])
    return found


def assert_each_once(archive: Path, ids: Sequence[str]) -> None:
    for name in LOGS:
        for counts in logged(archive, Path(name).stem):
            assert {counts[each] for each in ids} == {1}, name


def test_no_line_is_lost_over_20_rotations_under_load(server: AuditedServer, archive: Path) -> None:
    load = Load(server)
    heads = []
    with load.running():
        for _ in range(ROTATIONS):
            # Otherwise a run has nothing to archive if no client had its turn since the last one.
            load.ids += read(server)
            done = worker.archive(archive, logs_of(server), server.pid)
            assert done.failures == []
            heads.append(done.head)
    done = worker.archive(archive, logs_of(server), server.pid)
    assert len({*heads}) == ROTATIONS
    assert len(load.ids) > ROTATIONS
    assert_each_once(archive, load.ids)
    found = verify(archive, now=datetime.now(UTC), head=heads[0], unwrap=file_cipher().unwrap)
    assert (found.findings, found.chain.head) == ((), done.head)
    assert len(found.kept) >= 2 * ROTATIONS


def test_killed_run_loses_nothing_and_the_next_one_goes_on(
    server: AuditedServer, archive: Path
) -> None:
    worker.archive(archive, logs_of(server), server.pid)
    ids: list[str] = []
    for moment in worker.MOMENTS:
        ids += read(server, 2)
        process = worker.start(archive, logs_of(server), server.pid, moment)
        process.join()
        assert process.exitcode == -signal.SIGKILL, moment
        ids += read(server, 2)
        done = worker.archive(archive, logs_of(server), server.pid)
        assert done.failures == [], moment
        found = verify(archive, now=datetime.now(UTC), unwrap=file_cipher().unwrap)
        assert found.findings == (), moment
        assert not any(LiveLog(path).rotated() for path in logs_of(server)), moment
    ids += read(server)
    worker.archive(archive, logs_of(server), server.pid)
    assert_each_once(archive, ids)


@pytest.mark.nightly
def test_runs_killed_at_random_under_load_lose_no_line(
    server: AuditedServer, archive: Path
) -> None:
    load = Load(server)
    moments = random.Random(SEED)  # noqa: S311 (moments of kills, not keys)
    killed = 0
    with load.running():
        for _ in range(KILLS):
            process = worker.start(archive, logs_of(server), server.pid)
            process.join(moments.uniform(0, LONGEST))
            process.kill()
            process.join()
            killed += process.exitcode == -signal.SIGKILL
    assert killed > KILLS / 4
    assert worker.archive(archive, logs_of(server), server.pid).failures == []
    assert_each_once(archive, load.ids)
    assert verify(archive, now=datetime.now(UTC), unwrap=file_cipher().unwrap).findings == ()


def test_service_encrypts_its_server_logs_and_only_the_auditor_decrypts(
    archivable: Deployment,
    service: Client,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = ["--root", str(archivable.layout.root)]
    origin = ["--service", "gaara-store", "--env", "dev", *root]
    service.secrets.get("jwt-secret", force_refresh=True)
    command = ["audit", "archive", *origin, "--folder", str(archive)]
    assert run_command(monkeypatch, *command) == 0
    assert run_command(monkeypatch, *command) == 0  # the first run has left lines itself
    heads = re.findall(r"^head (\S+)$", capsys.readouterr().out, re.MULTILINE)
    assert (
        run_command(monkeypatch, "audit", "devices", "--env", "dev", "--min-free", "1", *root) == 0
    )
    capsys.readouterr()
    assert run_command(monkeypatch, "audit", "verify", str(archive), "--head", heads[0]) == 0
    assert "4 segments" in capsys.readouterr().out
    verified = ["audit", "verify", str(archive), "--head", heads[1], *origin]
    assert run_command(monkeypatch, *verified) == 0
    assert "4 decrypted" in capsys.readouterr().out
    segment = min(archive.glob("audit-1-*.encrypted"))
    assert run_command(monkeypatch, "audit", "read", str(segment), *origin) == 0
    assert '"path":"secret/data/gaara-store/dev/jwt-secret"' in capsys.readouterr().out
    report = ["audit", "report", "--json", "--env", "dev", "--since", "90d", *root]
    report += ["--audit-log", str(archive), "--store", str(archive.parent / "store")]
    assert run_command(monkeypatch, *report) == 0
    reads = json.loads(capsys.readouterr().out)["reads"]
    assert {"jwt-secret"} <= {each["name"] for each in reads}
    with pytest.raises(AccessDenied, match="transit/decrypt/gaara-store-dev-audit"):
        list(read_segment_file(segment, service.files(None).unwrap))
    change = bytearray(segment.read_bytes())
    change[-1] ^= 1
    segment.write_bytes(change)
    assert run_command(monkeypatch, *verified) == 2
    assert f"{segment.name}: was altered" in capsys.readouterr().out
    assert run_command(monkeypatch, "audit", "read", str(segment), *origin) == 1


def test_archive_for_recipients_alone_needs_no_login(
    server: AuditedServer,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    identity = write_identity(tmp_path)
    (request,) = read(server)
    command = ["audit", "archive", "--service", "gaara-store", "--env", "staging"]
    command += ["--folder", str(archive), "--reload", f"kill -HUP {server.pid}", "--no-key"]
    command += [word for path in logs_of(server) for word in ("--audit-log", str(path))]
    assert run_command(monkeypatch, *command) == 64
    assert run_command(monkeypatch, *command, "--recipient", RECIPIENT) == 0
    (head,) = re.findall(r"^head (\S+)$", capsys.readouterr().out, re.MULTILINE)
    key = ["--identity", str(identity)]
    assert run_command(monkeypatch, "audit", "verify", str(archive), "--head", head, *key) == 0
    assert re.search(r"^2 segments, \d+ lines; 2 decrypted$", capsys.readouterr().out, re.MULTILINE)
    files = sorted(map(str, archive.glob("*.encrypted")))
    assert run_command(monkeypatch, "audit", "read", str(archive), *key) == 0
    assert capsys.readouterr().out.count(request) == 4
    assert run_command(monkeypatch, "audit", "verify", str(archive), "--head", "f" * 64) == 2
    assert "has no entry with the hash" in capsys.readouterr().out
    Path(files[0]).unlink()
    assert run_command(monkeypatch, "audit", "verify", str(archive)) == 2
    assert "is missing, with" in capsys.readouterr().out
