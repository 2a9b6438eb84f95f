"""The whole local deployment as one fixture, and the rule for skips."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app_integration import wiring
from app_integration.session import Session
from app_integration.settings import Settings, from_environment
from app_integration.wiring import Wiring
from console.local import Local
from vault.declare.load import load
from vault.runtime.embedded import quiet
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports

SERVICE = "gaara-store"


def free_ports(count: int) -> list[int]:
    """*count* ports that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class Deployment:
    """A running local deployment that tests share; each test leaves it as it found it."""

    local: Local
    operator: Session = field(init=False)

    def __post_init__(self) -> None:
        self.operator = self.local.operator()

    @property
    def layout(self) -> Layout:
        return self.local.layout

    @property
    def ports(self) -> Ports:
        return self.local.ports

    @property
    def variables(self) -> dict[str, str]:
        """What ``dev.env`` sets."""
        return self.local.variables()

    @property
    def settings(self) -> Settings:
        """What the store's own process would see."""
        return from_environment(self.variables)

    def revive(self) -> None:
        """Bring back what was killed, as ``make vault-up`` does."""
        self.local.up(quiet)

    def audit_lines(self, path: str) -> list[str]:
        """The server's audit lines of completed requests for the API path *path*."""
        log = self.layout.audit_logs[0].read_text(encoding="utf-8").splitlines()
        return [line for line in log if f'"path":"{path}"' in line and '"type":"response"' in line]


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The whole local deployment: servers, declaration applied, agent running."""
    layout = Layout(tmp_path_factory.mktemp("deployment") / ".strongroom")
    local = Local(layout, Ports(*free_ports(6)), load(), SERVICE)
    local.up(quiet)
    running = Deployment(local)
    yield running
    running.operator.close()
    local.reset()


@pytest.fixture
def service(deployment: Deployment) -> Iterator[Wiring]:
    """The store's own objects: secrets, ciphers, engines."""
    wired = Wiring(deployment.settings)
    yield wired
    wired.close()


@pytest.fixture
def front_door(deployment: Deployment, tmp_path: Path) -> Iterator[None]:
    """The module-level functions, wired to the deployment; no .env in sight."""
    wiring.configure(
        from_environment({**deployment.variables, "STRONGROOM_DOTENV": str(tmp_path / ".env")})
    )
    yield
    wiring.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Fail a skip of a kind that ``STRONGROOM_REQUIRE`` names: CI must not skip in silence."""
    report = yield
    required = set(os.environ.get("STRONGROOM_REQUIRE", "").split(","))
    kinds = {kind for marker in item.iter_markers("requires") for kind in marker.args}
    if report.skipped and not hasattr(report, "wasxfail") and kinds & required:
        report.outcome = "failed"
        report.longrepr = f"skipped, but STRONGROOM_REQUIRE names {', '.join(kinds & required)}"
    return report
