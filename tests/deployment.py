"""A running local deployment, as tests see it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass, field

from app_integration.session import Session
from app_integration.settings import Settings, from_environment
from console.local import Local
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
