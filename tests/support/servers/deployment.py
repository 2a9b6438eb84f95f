"""A running local deployment, as tests see it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app_integration.session.session import Session
from app_integration.settings import Settings, from_environment
from console.local import LocalDeployment
from tests.images import build
from vault.runtime.docker.compose import LABEL, SERVICE
from vault.runtime.docker.containers import ContainerRuntime
from vault.runtime.docker.engine import NoEngine, open_engine, require_engine
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports
from vault.runtime.processes.processes import ProcessManager
from vault.runtime.runtime import no_progress

_pause = threading.Event()


def eventually(check: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Return once *check* says yes; fail with *what* was waited for after *seconds*."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not after {seconds:.0f} s: {what}"
        _pause.wait(0.1)


@contextmanager
def container(servers: ContainerRuntime, service: str) -> Iterator[Any]:
    """The container of *service*, as the engine's client has it."""
    labels = [f"{LABEL}.project={servers.project}", f"{SERVICE}={service}"]
    with open_engine() as engine:
        (found,) = engine.containers.list(all=True, filters={"label": labels})
        yield found


def health(found: Any) -> str:
    """What the container's own check says now."""
    found.reload()
    status: str = found.attrs["State"]["Health"]["Status"]
    return status


def require_images() -> None:
    """See that the images of ``docker-compose.yml`` are there, or skip where there is no engine."""
    try:
        require_engine()
    except NoEngine as none:
        pytest.skip(str(none))
    with open_engine() as engine:
        os.environ.update(build.ensure(engine))


@dataclass
class Deployment:
    """A running local deployment that tests share; each test leaves it as it found it."""

    local: LocalDeployment
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

    def kill(self, name: str) -> None:
        """End the part *name* as a crash does, and see that it is gone.

        A server in dev mode would come back without its keys: in a container it is held instead,
        and answers as little.
        """
        if isinstance(self.local.servers, ContainerRuntime):
            with container(self.local.servers, name) as found:
                found.pause() if name == "vault" else found.kill()
            return
        processes = ProcessManager(self.layout)
        running = processes.find(name)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        eventually(lambda: processes.find(name) is None, f"the end of {name}")

    def revive(self) -> None:
        """Bring back what was killed, as ``make vault-up`` does."""
        if isinstance(self.local.servers, ContainerRuntime):
            with container(self.local.servers, "vault") as found:
                if found.status == "paused":
                    found.unpause()
                    eventually(lambda: health(found) == "healthy", "a healthy server")
        self.local.up(no_progress)

    def refresh(self, *folders: str) -> None:
        """See that *folders* here are as the deployment has them now."""
        if isinstance(self.local.servers, ContainerRuntime):
            self.local.servers.copy(*folders)

    def audit_lines(self, path: str) -> list[str]:
        """The server's audit lines of completed requests for the API path *path*."""
        self.refresh("vault/audit")
        log = self.layout.audit_logs[0].read_text(encoding="utf-8").splitlines()
        return [line for line in log if f'"path":"{path}"' in line and '"type":"response"' in line]
