"""Audit devices of a real server: one that is full, deleted or replaced is named in time."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import ServerFault
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from console.commands.audit import devices
from tests.support.processes.command import run_command
from tests.support.servers.audited_server import ROOT_TOKEN, AuditedServer, audited_server

pytestmark = pytest.mark.requires("embedded")

DISK: Final = 400_000  # bytes
SECRET: Final = "secret/data/device"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a small file system."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK},nr_inodes=64"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", folder], check=True)  # noqa: S607 (as above)


@contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch, *logs: str) -> Iterator[AuditedServer]:
    """Run a server, to which the command logs in as root."""
    with audited_server(folder, logs=logs) as running:
        running.root.post(SECRET, {"data": {"value": "invented"}})
        impatient = Limits(deadline=2, retry_window=0.1)
        root = Session(running.address, StaticToken(Secret(ROOT_TOKEN)), limits=impatient)
        monkeypatch.setattr(devices, "open_job_session", lambda *_: nullcontext(root))
        monkeypatch.setattr(devices, "DEADLINE", 0.3)
        monkeypatch.setattr("vault.audit.archive.devices._PAUSE_SECONDS", 0)
        yield running


@pytest.fixture
def server(tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuditedServer]:
    """Yield a server with one log on the small disk."""
    with serving(tmp_path, monkeypatch, "audit-1.log", f"{disk.name}/audit-2.log") as running:
        yield running


def check(monkeypatch: pytest.MonkeyPatch, *paths: Path, **options: object) -> int:
    words = [word for path in paths for word in ("--audit-log", str(path))]
    words += [w for name, value in options.items() for w in (f"--{name}", str(value))]
    return run_command(
        monkeypatch, "audit", "devices", "--env", "staging", "--min-free", "1", *words
    )


def logs_of(server: AuditedServer) -> tuple[Path, Path]:
    return server.folder / "audit-1.log", server.folder / "disk" / "audit-2.log"


def fill(folder: Path) -> Path:
    """Fill a disk, and return the file that does."""
    filler = folder / "filler"
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(descriptor, bytes(4096)):
            pass
    os.close(descriptor)
    return filler


def read(server: AuditedServer, count: int = 9) -> None:
    for _ in range(count):
        server.root.get(SECRET)


def test_deleted_and_replaced_files_are_named_while_the_server_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(tmp_path, monkeypatch, "audit-1.log", "audit-2.log") as server:
        first, second = (tmp_path / f"audit-{number}.log" for number in (1, 2))
        metrics = tmp_path / "audit.prom"
        assert check(monkeypatch, first, second, metrics=metrics) == 0
        assert metric(metrics, "device_healthy", second) == 1
        assert metric(metrics, "device_size_bytes", first) > 0
        capsys.readouterr()
        second.unlink()
        assert check(monkeypatch, first, second, metrics=metrics) == 2
        assert f"✗ {second}: does not exist" in capsys.readouterr().out
        assert metric(metrics, "device_healthy", second) == 0
        second.touch()
        assert check(monkeypatch, first, second) == 2
        assert f"✗ {second}: does not have the request" in capsys.readouterr().out
        read(server)
        assert check(monkeypatch, first) == 2
        out = capsys.readouterr().out
        assert "2 file devices (audit-1/, audit-2/), and 1 files were compared" in out
        assert "There is one device only" in out
        assert check(monkeypatch, first, metrics=tmp_path / "audit.txt") == 64


@pytest.mark.requires("root")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_disk_that_is_nearly_full_and_full_is_named_while_the_server_goes_on(
    server: AuditedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = logs_of(server)
    assert check(monkeypatch, first, second) == 2
    out = capsys.readouterr().out
    assert f"✗ {second}: 0 MB are free on its disk, less than 1 MB; make room" in out
    assert out.count("✗") == 1
    filler = fill(second.parent)
    read(server)  # until the last page of the log is full, too
    assert check(monkeypatch, first, second) == 2
    out = capsys.readouterr().out
    assert f"✗ {second}: does not have the request" in out
    filler.unlink()
    assert check(monkeypatch, first, second) == 2
    assert "does not have the request" not in capsys.readouterr().out


@pytest.mark.requires("root")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_server_that_can_write_to_no_device_is_named_although_its_health_check_succeeds(
    tmp_path: Path,
    disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(tmp_path, monkeypatch, "disk/audit-1.log", "disk/audit-2.log") as server:
        logs = disk / "audit-1.log", disk / "audit-2.log"
        # The alarm comes before requests fail.
        assert check(monkeypatch, *logs) == 2
        read(server)
        filler = fill(disk)
        with pytest.raises(ServerFault):
            server.root.post(SECRET, {"data": {"value": "invented"}}, retry=False)
        assert server.root.get("sys/health")["sealed"] is False
        capsys.readouterr()
        metrics = tmp_path / "audit.prom"
        assert check(monkeypatch, *logs, metrics=metrics) == 2
        out = capsys.readouterr().out
        assert "no device can write, although its health check succeeds" in out
        assert out.count("0 MB are free on its disk") == 2
        (count,) = re.findall(
            r"^strongroom_audit_findings\S+ (\S+)$", metrics.read_text(), re.MULTILINE
        )
        assert float(count) == 3
        filler.unlink()
        read(server)


def metric(file: Path, name: str, log: Path) -> float:
    labels = f'{{environment="staging",file="{log}"}}'
    (value,) = re.findall(
        rf"^strongroom_audit_{name}{re.escape(labels)} (\S+)$", file.read_text(), re.MULTILINE
    )
    return float(value)
