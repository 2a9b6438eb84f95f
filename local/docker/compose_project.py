"""Compose project of one deployment: its containers, and the command ``docker compose``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app_integration.errors import ConfigurationError
from local.docker import tool_image
from local.docker.compose import LABEL, SERVICE, find_titles, sort_by_dependency
from local.docker.compose_file import FILE, ComposeFile
from local.docker.engine import (
    USE_EMBEDDED,
    NoEngine,
    failure_reason,
    is_healthy,
    log_tail,
    open_engine,
    run_compose,
)
from local.ports import Ports, setting
from local.runtime_interface import StartFailed

_FOLDER: Final = f"{LABEL}.project.working_dir"


#: No other file is merged, and ``.env`` is not read: its variables could name another file, and an
#: error in it would be shown with its line.
_ONE_FILE: Final = ("--file", FILE, "--env-file", os.devnull)


class ComposeProject:
    """Project *name* of the ``docker-compose.yml`` in *folder*, published on *ports*."""

    def __init__(self, folder: Path, name: str, ports: Ports) -> None:
        self.folder = folder
        self.name = name
        self._ports = ports

    def run(self, *arguments: str) -> None:
        """Run ``docker compose`` with the project's name and ports, and hide its output."""
        self._run_as(self.name, *arguments)

    def _run_as(self, name: str, *arguments: str) -> None:
        """Do what :meth:`run` does, as the project *name*."""
        run_compose(
            f"docker compose {arguments[0]}",
            *_ONE_FILE,
            *("--project-name", name),
            *arguments,
            folder=self.folder,
            variables=self._variables(),
        )

    def file(self) -> ComposeFile:
        """Return the project's file."""
        return ComposeFile.read(self.folder)

    def ensure_images(self, file: ComposeFile) -> None:
        """Build the images of *file* from the current code, and pull those that are missing.

        They have the file's own name, because another deployment of the same code would replace
        those of the project; the next ``up`` would then recreate a dev-mode server, which loses its
        data.
        """
        try:
            if file.needs_tool:
                tool_image.ensure()
            self._run_as(file.name, "build", "--quiet")
            self.run("pull", "--policy=missing", "--ignore-buildable", "--quiet")
        except StartFailed as failed:
            raise NoEngine(
                "an image is not available; make a registry reachable, or in a clone of Strongroom "
                f"run python -m tests.images.build and follow its output; {USE_EMBEDDED}\n"
                f"{failed.log_tail}"
            ) from None

    def containers(self, engine: Any) -> list[Any]:
        """Return every container of the project, also those that are not running."""
        labels = {"label": f"{LABEL}.project={self.name}"}
        found: list[Any] = engine.containers.list(all=True, filters=labels, ignore_removed=True)
        return found

    def containers_by_service(self, engine: Any) -> dict[str, Any]:
        """Return every container of the project by service."""
        return {each.labels[SERVICE]: each for each in self.containers(engine)}

    def running_services(self) -> frozenset[str]:
        """Return the services that are running and healthy, without the one-shot ones."""
        with open_engine() as engine:
            found = self.containers(engine)
        return frozenset(
            find_titles(each.labels[SERVICE] for each in found if is_healthy(each.attrs["State"]))
        )

    def failures(self) -> list[StartFailed]:
        """Return an error for each failed container, causes before consequences."""
        with open_engine() as engine:
            found = self.containers_by_service(engine)
            return [
                StartFailed(name, failure_reason(found[name]), log_tail(found[name]))
                for name in sort_by_dependency(found)
                if failure_reason(found[name])
            ]

    def reject_other_clone(self) -> None:
        """Check that no container of this project was started from another folder."""
        with open_engine() as engine:
            folders = {each.labels.get(_FOLDER, "") for each in self.containers(engine)}
        for folder in sorted(folders - {""}):
            if Path(folder).resolve() != self.folder.resolve():
                raise ConfigurationError(
                    f"the containers {self.name} were started from {folder}, and this command "
                    "would erase their data; stop them there first: strongroom down"
                )

    def _variables(self) -> Mapping[str, str]:
        """Return the variables for ``docker-compose.yml``."""
        numbers = {setting(name): str(port) for name, port in self._ports.by_name().items()}
        return {**numbers, "VAULT_BINARY": server_binary(os.environ)}


def server_binary(variables: Mapping[str, str]) -> str:
    """Return the secrets server's program in its image: ``VAULT_BINARY``, or by ``VAULT_IMAGE``."""
    name = re.split("[:@]", variables.get("VAULT_IMAGE", "").rpartition("/")[2])[0]
    is_vault = name == "vault" or name.startswith("vault-")
    return variables.get("VAULT_BINARY") or ("vault" if is_vault else "bao")
