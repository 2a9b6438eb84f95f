"""Example services, each under its framework's own server, on a complete deployment."""

from __future__ import annotations

import hmac
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from app_integration.config.loader import load_config
from app_integration.testing.ports import free_ports
from examples.service_config import ServiceConfig
from tests.support.polling import wait_until
from tests.support.processes.running_store import ROOT, START_SECONDS, STOP_SECONDS
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

FRAMEWORKS = ("flask", "fastapi", "django")
TOKEN = "a-token-of-the-scraper"


@dataclass
class Service:
    """Running example service."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=headers, timeout=30)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/sign?text=x").ok
        except requests.ConnectionError:
            return False

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.process.kill()
            self.process.wait()


Start = Callable[[str], Service]


@pytest.fixture
def start(deployment: Deployment, tmp_path: Path) -> Iterator[Start]:
    started: list[Service] = []
    token = tmp_path / "metrics-token"
    token.write_text(f"{TOKEN}\n")

    def run(framework: str) -> Service:
        (port,) = free_ports(1)
        log = tmp_path / f"{framework}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", f"examples.{framework}_service", str(port)],
                cwd=ROOT,
                env={**deployment.variables, "STRONGROOM_METRICS_TOKEN_FILE": str(token)},
                stdout=output,
                stderr=output,
            )
        service = Service(f"http://127.0.0.1:{port}", log, process)
        started.append(service)
        wait_until(service.is_ready, "a response", START_SECONDS)
        return service

    yield run
    for service in started:
        service.stop()


def revoked_tokens(deployment: Deployment) -> int:
    return len(deployment.audit_lines("auth/token/revoke-self"))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_service_reads_and_redacts_its_config_counts_and_revokes_its_token(
    start: Start, deployment: Deployment, framework: str
) -> None:
    secret = load_config(ServiceConfig, deployment.layout.config("gaara-store")).jwt.secret
    key = secret.get_secret_value()
    service = start(framework)

    right = hmac.new(key.encode(), b"hello", "sha256").hexdigest()
    assert service.get("/sign?text=hello").json() == {"delivered": right, "read": right}

    assert service.get("/fail").status_code == 500
    shown = "ValueError: bad key [REDACTED]"
    wait_until(lambda: shown in service.log.read_text(), "the traceback, scrubbed")

    page = service.get("/metrics")
    hits = 'strongroom_secret_access_total{environment="dev",outcome="hit",secret="jwt-secret"}'
    assert (page.status_code, hits in page.text) == (200, True)
    assert service.get("/metrics", Via="1.1 proxy").status_code == 403
    scraper = {"Via": "1.1 proxy", "Authorization": f"Bearer {TOKEN}"}
    assert service.get("/metrics", **scraper).text.startswith("# HELP")

    before = revoked_tokens(deployment)
    assert service.stop() == 0, service.log.read_text()
    wait_until(lambda: revoked_tokens(deployment) > before, "the revocation of the token")
    assert key not in service.log.read_text()
