"""Preloaded gunicorn with four workers, each of which logs in and revokes its own token."""

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
ROLE: Final = "gaara-store-dev"
PATIENCE: Final = 30.0  # seconds to wait for gunicorn


@contextmanager
def gunicorn(deployment: Deployment, log: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run gunicorn, and yield its URL and its process."""
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


def get_state(address: str, path: str) -> dict[str, Any]:
    """Return the state of one worker, which the kernel chooses."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            state: dict[str, Any] = requests.get(address + path, timeout=PATIENCE).json()
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return state


def each_worker(address: str, path: str, count: int = WORKERS) -> dict[int, dict[str, Any]]:
    """Return the first state of each of *count* workers, by process id."""
    found: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline, sorted(found)
        state = get_state(address, path)
        found.setdefault(state["pid"], state)
    return found


def tokens(deployment: Deployment, path: str) -> Counter[str]:
    """Return the number of requests for *path* by each token, by its HMAC."""
    lines = map(json.loads, deployment.audit_lines(path, ROLE))
    return Counter(line["auth"]["client_token"] for line in lines)


def test_each_worker_logs_in_and_revokes_its_token(deployment: Deployment, tmp_path: Path) -> None:
    before = {path: len(deployment.audit_lines(path, ROLE)) for path in (LOGIN, REVOKE)}
    readers = tokens(deployment, JWT)
    log = tmp_path / "gunicorn.log"
    with gunicorn(deployment, log) as (address, process):
        cached = each_worker(address, "/")
        # The workers use the values that the master fetched before the fork, without a request.
        assert len(deployment.audit_lines(LOGIN, ROLE)) == before[LOGIN] + 1
        refreshed = each_worker(address, "/ask")
        killed = next(iter(refreshed))
        os.kill(killed, signal.SIGKILL)
        replaced = each_worker(address, "/ask")
        while killed in replaced:  # because it may respond before the signal reaches it
            replaced = each_worker(address, "/ask")
    logged = log.read_text()
    assert "Traceback" not in logged, logged
    assert process.returncode == 0
    assert [state["token"] for state in cached.values()] == [False] * WORKERS
    for state in (*cached.values(), *refreshed.values()):
        assert state["refreshes"]  # because the application watches a secret
    logins = WORKERS + 2  # with the master's, and that of the killed worker's replacement
    assert len(deployment.audit_lines(LOGIN, ROLE)) == before[LOGIN] + logins
    # The killed worker cannot revoke its token, which expires by itself.
    assert len(deployment.audit_lines(REVOKE, ROLE)) == before[REVOKE] + logins - 1
    assert len(tokens(deployment, JWT) - readers) >= logins
    assert max(tokens(deployment, REVOKE).values()) == 1
