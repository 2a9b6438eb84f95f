"""Encrypted logs of the store, on a server: it may encrypt them, and only an auditor decrypts."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import requests

from app_integration.auth.methods import StaticToken
from app_integration.client import Client
from app_integration.errors import AccessDenied
from app_integration.observability.encrypted_log import EncryptedLogHandler
from app_integration.session.session import Session
from app_integration.testing.ports import free_ports
from tests.support.models.encrypted_logs import names, read_log
from tests.support.polling import wait_until
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
ENCRYPT: Final = "transit/encrypt/gaara-store-dev-audit"
WORKERS: Final = 2
PATIENCE: Final = 30.0  # seconds to wait for gunicorn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


@pytest.fixture
def auditor(deployment: Deployment) -> Iterator[Client]:
    """Yield a client with a token of the policy strongroom-auditor."""
    with deployment.token("strongroom-auditor") as token:
        session = Session(deployment.settings.vault_addr, StaticToken(token))
        client = Client(deployment.settings, session=session)
        yield client
        client.close()


def read(*arguments: object) -> list[str]:
    return ["logs", "read", *map(str, arguments), "--service", "gaara-store", "--env", "dev"]


def test_only_the_auditor_decrypts(
    deployment: Deployment, service: Client, auditor: Client, folder: Path
) -> None:
    settings = replace(deployment.settings, audit_key="audit", audit_file=folder / "access.jsonl")
    store = Client(settings)
    store.secrets.get("jwt-secret")
    store.close()
    with pytest.raises(AccessDenied, match=ENCRYPT.replace("encrypt", "decrypt")):
        read_log(service.files("audit"), folder)
    found = read_log(auditor.files("audit"), folder, scope=settings.scope)
    assert [record.count('"secret":"jwt-secret"') for record in found.records] == [1]
    assert found.said == []


def test_workers_of_a_prefork_server_write_files_of_their_own(
    deployment: Deployment, auditor: Client, folder: Path
) -> None:
    before = len(deployment.audit_lines(ENCRYPT))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = ("--preload", "--workers", str(WORKERS), "--bind", address)
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "tests.support.processes.prefork_log_app"],
        cwd=ROOT,
        env={**variables, **deployment.variables},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: get(address) is not None, "an answer of gunicorn")
        served = {get(address) for _ in range(40)}
        killed = int(get(address) or 0)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: get(address) not in (None, str(killed)), "another worker")
    finally:
        process.terminate()
        process.wait(PATIENCE)
    found = read_log(auditor.files("audit"), folder)
    assert len(deployment.audit_lines(ENCRYPT)) == before + 1
    pids = {record.partition(" ")[0] for record in found.records}
    assert {*served, str(killed), str(process.pid)} - {None} <= pids
    assert len(names(folder)) == len(pids)
    assert not found.has_fault
    assert [sentence.partition(": is not closed")[1] for sentence in found.said] == [
        ": is not closed"  # of the killed worker
    ]


def get(address: str) -> str | None:
    """Return the answer of a worker: its process id."""
    try:
        return requests.get(f"http://{address}/orders", timeout=PATIENCE).text
    except requests.ConnectionError:
        return None


def test_command_prints_records_and_reports_what_is_wrong(
    deployment: Deployment,
    service: Client,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    handler = EncryptedLogHandler(service.files("audit"), folder, "app", max_bytes=1)
    for message in ("one", "two\nlines \x1b[2J", "three"):
        handler.emit(make_record(message))
    handler.close()
    root = ("--root", deployment.layout.root)
    assert run_command(monkeypatch, *read(folder, *root)) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("one\ntwo\\nlines \\x1b[2J\nthree\n", "")
    first, second, third = sorted(folder.iterdir())
    assert run_command(monkeypatch, *read(second, *root)) == 0
    assert capsys.readouterr().out == "two\\nlines \\x1b[2J\n"
    second.unlink()
    os.truncate(third, third.stat().st_size - 30)
    assert run_command(monkeypatch, *read(folder, *root)) == 2
    out, err = capsys.readouterr()
    assert out == "one\n"
    assert "file 2 is missing" in err
    assert f"{third}: its last record is incomplete" in err
    assert run_command(monkeypatch, *read(folder / "none", *root)) == 1
    shutil.copy(__file__, first)
    assert run_command(monkeypatch, *read(first, *root)) == 2
    assert "is altered" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [(), ("--service", "gaara-store"), ("--env", "dev")], ids=" ".join
)
def test_command_without_a_reader_is_refused(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], folder: Path
) -> None:
    assert run_command(monkeypatch, "logs", "read", str(folder), *options) == 64


def test_command_follows_until_it_is_interrupted(
    deployment: Deployment, service: Client, folder: Path
) -> None:
    handler = EncryptedLogHandler(service.files("audit"), folder, "app", max_bytes=4130)
    handler.emit(make_record("before"))
    arguments = read(folder, "--follow", "--root", deployment.layout.root)
    process = subprocess.Popen(
        [sys.executable, "-m", "console", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        text=True,
    )
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "before\n"
        for message in ("appended", "in the next file"):
            handler.emit(make_record(message))
            assert process.stdout.readline() == f"{message}\n"
        handler.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
    finally:
        guard.cancel()
        process.kill()
        process.communicate()
    assert len(names(folder)) > 1


def make_record(message: str) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message})
