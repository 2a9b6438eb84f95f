"""A deployment in containers, and what its engine tells of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from console.local import LocalDeployment
from tests.support.processes.running_store import ROOT
from vault.runtime.docker.compose import LABEL, SERVICE
from vault.runtime.docker.containers import ContainerRuntime
from vault.runtime.docker.engine import open_engine
from vault.runtime.ports import setting


@dataclass
class Stack:
    """The containers of *local*."""

    local: LocalDeployment

    @property
    def servers(self) -> ContainerRuntime:
        """The runtime of *local*."""
        assert isinstance(self.local.servers, ContainerRuntime)
        return self.local.servers

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` as a user would."""
        ports = {setting(name): str(port) for name, port in self.local.ports.by_name().items()}
        return subprocess.run(
            ["docker", "compose", "--project-name", self.servers.project, *arguments],  # noqa: S607
            cwd=ROOT,
            env={**os.environ, **ports},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *arguments: str) -> tuple[str, str]:
        """What ``docker compose`` shows, which must succeed."""
        done = self.compose(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def inspect(self) -> dict[str, dict[str, Any]]:
        """What ``docker inspect`` tells, by service."""
        with open_engine() as engine:
            found = engine.containers.list(all=True, filters=self._ours)
            return {each.labels[SERVICE]: each.attrs for each in found}

    def volumes(self) -> list[dict[str, Any]]:
        """What ``docker volume inspect`` tells."""
        with open_engine() as engine:
            return [each.attrs for each in engine.volumes.list(filters=self._ours)]

    def images(self) -> list[Any]:
        """What ``docker image inspect`` and ``docker history`` tell."""
        with open_engine() as engine:
            names = {container["Config"]["Image"] for container in self.inspect().values()}
            found = [engine.images.get(name) for name in sorted(names)]
            return [[image.attrs, image.history()] for image in found]

    @property
    def _ours(self) -> dict[str, str]:
        return {"label": f"{LABEL}.project={self.servers.project}"}


def search_image(name: str, texts: Iterable[str]) -> set[str]:
    """Those of *texts* that stand anywhere in the layers of the image *name*."""
    wanted = {text: text.encode() for text in texts}
    longest, tail, found = max(map(len, wanted.values())), b"", set[str]()
    with open_engine() as engine:
        for chunk in engine.images.get(name).save():
            window = tail + chunk
            found |= {text for text, raw in wanted.items() if raw in window}
            tail = window[-longest:]
    return found
