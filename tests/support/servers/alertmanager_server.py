"""Real Alertmanager, with its data in a folder of the test."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from app_integration.testing.ports import free_ports
from local.monitoring.local_monitoring import PROGRAMS
from tests.support.polling import wait_until
from vault.monitoring.routes_file import build_routes_file

_TIMEOUT = 5.0  # seconds


@contextmanager
def alertmanager_server(folder: Path) -> Iterator[str]:
    """Run Alertmanager, which sends nothing to anybody, and yield its address."""
    program = shutil.which(PROGRAMS["alertmanager"])
    if program is None:
        pytest.skip(f"needs {PROGRAMS['alertmanager']}")
    file = folder / "alertmanager.yml"  # JSON is YAML
    file.write_text(json.dumps(build_routes_file(None)))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    options = (f"--config.file={file}", f"--storage.path={folder / 'data'}")
    process = subprocess.Popen(
        (program, *options, f"--web.listen-address={address}", "--cluster.listen-address="),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: _is_ready(f"http://{address}"), "Alertmanager")
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(_TIMEOUT)


def post(address: str, path: str, document: Mapping[str, Any] | list[Any]) -> None:
    """Send *document* to a resource of the API."""
    response = requests.post(f"{address}/api/v2/{path}", json=document, timeout=_TIMEOUT)
    response.raise_for_status()


def _is_ready(address: str) -> bool:
    try:
        return requests.get(f"{address}/-/ready", timeout=_TIMEOUT).ok
    except requests.RequestException:
        return False
