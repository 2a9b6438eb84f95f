"""Running local deployment that tests share."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app_integration.client import Client
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Settings, from_environment
from local.deployment import LocalDeployment
from local.docker.compose import LABEL, SERVICE
from local.docker.engine import NoEngine, open_engine, require_engine
from local.layout import Layout
from local.ports import Ports
from local.processes.processes import ProcessManager
from local.runtime_interface import no_progress
from local.runtimes.container_runtime import ContainerRuntime
from tests.images import build
from tests.support.polling import wait_until


@contextmanager
def container(servers: ContainerRuntime, service: str) -> Iterator[Any]:
    """Yield the container of *service*, an object of the engine's client."""
    labels = [f"{LABEL}.project={servers.project.name}", f"{SERVICE}={service}"]
    with open_engine() as engine:
        (found,) = engine.containers.list(all=True, filters={"label": labels})
        yield found


def health(found: Any) -> str:
    found.reload()
    status: str = found.attrs["State"]["Health"]["Status"]
    return status


def require_images() -> None:
    """Provide the images of ``docker-compose.yml``, or skip the test if there is no engine."""
    try:
        require_engine()
    except NoEngine as none:
        pytest.skip(str(none))
    with open_engine() as engine:
        os.environ.update(build.ensure(engine))


@dataclass
class Deployment:
    """A running local deployment that tests share. Each test must restore what it changes."""

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
        """Return the variables that ``dev.env`` sets."""
        return self.local.service("gaara-store").variables()

    @property
    def settings(self) -> Settings:
        return from_environment(self.variables)

    def open_client(self) -> Client:
        return Client(self.settings)

    def write_secret(self, name: str, value: str) -> None:
        self.operator.post(f"secret/data/gaara-store/dev/{name}", {"data": {"value": value}})

    def kill(self, name: str) -> None:
        """Kill the part *name*, as a crash does, and wait until its process has ended.

        The server in a container is paused instead, because in dev mode it would restart without
        its keys. A paused server is just as unreachable.
        """
        if isinstance(self.local.servers, ContainerRuntime):
            with container(self.local.servers, name) as found:
                found.pause() if name == "vault" else found.kill()
            return
        processes = ProcessManager(self.layout)
        running = processes.find(name)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        wait_until(lambda: processes.find(name) is None, f"the end of {name}")

    def revive(self) -> None:
        """Restart the parts that were killed, as ``make vault-up`` does."""
        if isinstance(self.local.servers, ContainerRuntime):
            with container(self.local.servers, "vault") as found:
                if found.status == "paused":
                    found.unpause()
                    wait_until(lambda: health(found) == "healthy", "a healthy server")
        self.local.up(no_progress)

    def refresh(self, *folders: str) -> None:
        """Copy *folders* from the containers, so that the local copies are current."""
        if isinstance(self.local.servers, ContainerRuntime):
            self.local.servers.copy(*folders)

    @contextmanager
    def token(self, policy: str) -> Iterator[Secret]:
        """Yield a token that has *policy* only, and revoke it afterwards."""
        body = {"policies": [policy], "no_default_policy": True, "ttl": "10m"}
        auth = self.operator.post("auth/token/create", body)["auth"]
        try:
            yield Secret(auth["client_token"])
        finally:
            self.operator.post("auth/token/revoke-accessor", {"accessor": auth["accessor"]})

    def audit_lines(self, path: str, role: str = "") -> list[str]:
        """Return the server's audit lines of completed requests for the API path *path*."""
        self.refresh("vault/audit")
        log = self.layout.audit_logs[0].read_text(encoding="utf-8").splitlines()
        marks = [f'"path":"{path}"', '"type":"response"']
        marks += [f'"role_name":"{role}"'] if role else []
        return [line for line in log if all(mark in line for mark in marks)]
