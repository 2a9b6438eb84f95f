"""A containers deployment, as the container engine and docker compose describe it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.deployment import LocalDeployment
from local.docker.compose import LABEL, SERVICE
from local.docker.engine import open_engine
from local.ports import setting
from local.runtimes.container_runtime import ContainerRuntime
from tests.support.processes.running_store import ROOT


@dataclass
class Stack:
    local: LocalDeployment

    @property
    def servers(self) -> ContainerRuntime:
        assert isinstance(self.local.servers, ContainerRuntime)
        return self.local.servers

    def compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` as a user would."""
        return self._compose("--project-name", self.servers.project.name, *arguments)

    def build(self) -> subprocess.CompletedProcess[str]:
        """Build the image under the file's own name, as a user does who names no other project."""
        return self._compose("build", "--quiet")

    def _compose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        ports = {setting(name): str(port) for name, port in self.local.ports.by_name().items()}
        return subprocess.run(
            ["docker", "compose", *arguments],  # noqa: S607
            cwd=ROOT,
            env={**os.environ, **ports},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def output(self, *arguments: str) -> tuple[str, str]:
        """Run ``docker compose`` and return its standard output and standard error."""
        done = self.compose(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def inspect(self) -> dict[str, dict[str, Any]]:
        with open_engine() as engine:
            found = engine.containers.list(all=True, filters=self._project_filter)
            return {each.labels[SERVICE]: each.attrs for each in found}

    def volumes(self) -> list[dict[str, Any]]:
        with open_engine() as engine:
            return [each.attrs for each in engine.volumes.list(filters=self._project_filter)]

    def images(self) -> list[Any]:
        with open_engine() as engine:
            names = {container["Config"]["Image"] for container in self.inspect().values()}
            found = [engine.images.get(name) for name in sorted(names)]
            return [[image.attrs, image.history()] for image in found]

    @property
    def _project_filter(self) -> dict[str, str]:
        return {"label": f"{LABEL}.project={self.servers.project.name}"}


def find_in_image(name: str, texts: Iterable[str]) -> set[str]:
    """Return those of *texts* that the layers of the image *name* contain."""
    encoded = {text: text.encode() for text in texts}
    longest, tail, found = max(map(len, encoded.values())), b"", set[str]()
    with open_engine() as engine:
        for chunk in engine.images.get(name).save():
            window = tail + chunk
            found |= {text for text, raw in encoded.items() if raw in window}
            tail = window[-longest:]
    return found
