"""Real Prometheus that scrapes some targets, with its data in a folder of the test."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests

from app_integration.testing.ports import free_ports
from tests.support.polling import wait_until

#: Between two scrapes, so that a test sees a change at once.
INTERVAL: Final = "500ms"
_TIMEOUT: Final = 5.0  # seconds


@contextmanager
def monitoring_program(name: str, *options: str) -> Iterator[str]:
    """Run a program of Prometheus on a free port, and yield its address."""
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"needs {name}")
    address = f"127.0.0.1:{free_ports(1)[0]}"
    process = subprocess.Popen(
        (program, *options, f"--web.listen-address={address}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(_TIMEOUT)


@contextmanager
def prometheus_server(
    folder: Path, targets: Mapping[str, Mapping[str, str]], *, up: int | None = None
) -> Iterator[str]:
    """Run Prometheus, and yield its address when it has scraped the targets, after 5 s."""
    groups = [{"targets": [target], "labels": dict(each)} for target, each in targets.items()]
    configuration = {
        "global": {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL},
        "scrape_configs": [{"job_name": "store", "static_configs": groups}],
    }
    file = folder / "prometheus.yml"  # JSON is YAML
    file.write_text(json.dumps(configuration))
    options = (f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}")
    with monitoring_program("prometheus", *options) as address:
        expected = len(targets) if up is None else up
        wait_until(lambda: _count_up(address) == expected, "scraped targets")
        yield address


def query(address: str, text: str) -> list[dict[str, Any]]:
    response = requests.get(f"{address}/api/v1/query", {"query": text}, timeout=_TIMEOUT)
    found: list[dict[str, Any]] = response.json()["data"]["result"]
    return found


def _count_up(address: str) -> int:
    try:
        return len(query(address, "up == 1"))
    except (requests.RequestException, ValueError, KeyError):
        return -1  # not ready yet
