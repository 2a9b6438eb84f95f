"""gunicorn, preloaded, with four workers: each logs in for itself, and gives back its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from app_integration.testing.ports import free_ports
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

ROOT: Final = Path(__file__).parents[2]
WORKERS: Final = 4
LOGIN: Final = "auth/approle/login"
REVOKE: Final = "auth/token/revoke-self"
JWT: Final = "secret/data/gaara-store/dev/jwt-secret"
PATIENCE: Final = 30.0  # seconds for gunicorn to do what it is told


@contextmanager
def gunicorn(deployment: Deployment, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a running server, and its process."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = ("--preload", "--workers", str(WORKERS), "--bind", address, "--timeout", "60")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, "tests.support.processes.prefork_app"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **deployment.variables},
            stdout=out,
            stderr=out,
        )
        try:
            yield f"http://{address}", process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def ask(address: str, path: str) -> dict[str, Any]:
    """What one worker tells; which one is up to the kernel."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            told: dict[str, Any] = requests.get(address + path, timeout=PATIENCE).json()
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return told


def each_worker(address: str, path: str, count: int = WORKERS) -> dict[int, dict[str, Any]]:
    """By pid, what each of *count* workers told first."""
    found: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, sorted(found)
        told = ask(address, path)
        found.setdefault(told["pid"], told)
    return found


def tokens(deployment: Deployment, path: str) -> Counter[str]:
    """How many requests for *path* each token made, by its HMAC."""
    lines = map(json.loads, deployment.audit_lines(path))
    return Counter(line["auth"]["client_token"] for line in lines)


def test_each_worker_has_a_login_of_its_own_and_gives_it_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    before = {path: len(deployment.audit_lines(path)) for path in (LOGIN, REVOKE)}
    readers = tokens(deployment, JWT)
    log = tmp_path / "gunicorn.log"
    with gunicorn(deployment, log) as (address, process):
        cached = each_worker(address, "/")
        # What the master fetched before the fork serves all: no worker has asked yet.
        assert len(deployment.audit_lines(LOGIN)) == before[LOGIN] + 1
        asked = each_worker(address, "/ask")
        killed = next(iter(asked))
        os.kill(killed, signal.SIGKILL)
        replaced = each_worker(address, "/ask")
        while killed in replaced:  # seen before the signal reached it
            replaced = each_worker(address, "/ask")
    logged = log.read_text()
    assert "Traceback" not in logged, logged
    assert process.returncode == 0
    assert [told["token"] for told in cached.values()] == [False] * WORKERS
    for told in (*cached.values(), *asked.values()):
        assert told["refreshes"]  # it watches, so it follows
    logins = WORKERS + 2  # the master's, and that of the worker in the killed one's place
    assert len(deployment.audit_lines(LOGIN)) == before[LOGIN] + logins
    # The killed one could give nothing back: its token ends by itself.
    assert len(deployment.audit_lines(REVOKE)) == before[REVOKE] + logins - 1
    assert len(tokens(deployment, JWT) - readers) >= logins
    assert max(tokens(deployment, REVOKE).values()) == 1
