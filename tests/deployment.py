"""A running local deployment, as tests see it."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from app_integration.session import Session
from app_integration.settings import Settings, from_environment
from console.local import Local
from tests.images import build
from vault.runtime.container import Containers
from vault.runtime.engine import NoEngine, open_engine, require_engine
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.runtime import quiet


def free_ports(count: int) -> list[int]:
    """*count* ports that nothing listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def require_images() -> None:
    """See that the images of ``docker-compose.yml`` are there, or skip where there is no engine."""
    try:
        require_engine()
    except NoEngine as none:
        pytest.skip(str(none))
    with open_engine() as engine:
        os.environ.update(build.ensure(engine))


def two_free_ports() -> int:
    """A free port whose successor is free too: a development server takes both."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                other.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


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
        if isinstance(self.local.servers, Containers):
            self.local.servers.copy("vault/audit")
        log = self.layout.audit_logs[0].read_text(encoding="utf-8").splitlines()
        return [line for line in log if f'"path":"{path}"' in line and '"type":"response"' in line]
