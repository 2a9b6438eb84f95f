"""The deployment of ``docker-compose.yml``, driven from outside.

The engine starts and applies everything. What is left to do here is to call it, to tell what is
wrong when it can't, and to copy out of its volumes what this machine needs: credentials, passwords.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.runtime.docker.compose import (
    LABEL,
    PROJECT,
    SERVICE,
    TITLES,
    in_order,
    project_name,
    status_of,
)
from vault.runtime.docker.engine import (
    INSTEAD,
    TAIL_LINES,
    NoEngine,
    failure_reason,
    is_healthy,
    log_tail,
    open_engine,
    require_engine,
    unpack,
)
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports, check_free, setting
from vault.runtime.processes.lock import Lock
from vault.runtime.runtime import Progress, Started, StartFailed, Status, quiet

_FOLDER: Final = f"{LABEL}.project.working_dir"
#: Where a deployment lies in the one-shot services, which see all of its volumes.
INSIDE: Final = PurePosixPath("/strongroom")
_CONFIG: Final = "app.yaml"
#: Run beside the stopped agent: write its template, and remove what it rendered before.
_PREPARE: Final = """
import pathlib, sys
target, template, *leftovers = sys.argv[1:]
if template:
    pathlib.Path(target).write_text(template, encoding="utf-8")
for path in leftovers:
    pathlib.Path(path).unlink(missing_ok=True)
"""
_DELIVERY_SECONDS: Final = 40.0
_POLL_SECONDS: Final = 0.2
#: What is copied out after each start; below the deployment's folder, inside as here.
COPIED: Final = ("credentials", "passwords", "config")


class Containers:
    """The deployment in containers; *layout* holds copies, the volumes are the engine's."""

    name: Final = "docker"
    #: The agent is among the containers.
    agents: Final = None

    def __init__(self, layout: Layout, ports: Ports, scope: Scope) -> None:
        """Args: *scope* must be the one that ``docker-compose.yml`` is written for."""
        self.layout = layout
        self.ports = ports
        self.scope = scope
        self.project = project_name(layout.root)
        self._lock = Lock(layout)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other commands off the deployment; raises as ``Lock`` does."""
        return self._lock.exclusive()

    def start(self, progress: Progress = quiet) -> Started:
        """Build the project's image, start what doesn't run, apply, and copy the credentials.

        When something fails, what this call started is stopped again.

        Raises:
            NoEngine: there is no engine, or an image can't be had.
            ConfigurationError: another clone's containers have this deployment's name.
            PortTaken: a port is someone else's; then nothing was started.
            StartFailed: a container ended, or isn't well in time.

        """
        require_engine()
        with self.exclusive():
            self._refuse_others()
            before = self._running()
            if not before:
                check_free(self.ports)
            with progress("images"):
                self._images()
            with progress("containers started, declaration applied"):
                self._up(before)
            known = self._credential()
            self.copy(*COPIED)
        renewed = known not in (b"", self._credential())
        return Started(tuple(sorted(self._running() - before)), None, renewed)

    def _credential(self) -> bytes:
        """What a new secrets server issues anew; empty when there is no copy of it."""
        file = self.layout.secret_id(str(self.scope))
        return file.read_bytes() if file.exists() else b""

    def _up(self, before: frozenset[str]) -> None:
        try:
            self._compose("up", "--wait", "--detach")
        except StartFailed as failed:
            reasons = self._failures() or [failed]
            self.undo(Started(tuple(sorted(self._running() - before)), None))
            raise reasons[0] from None

    def _failures(self) -> list[StartFailed]:
        """One error for each container that ended badly or isn't well; what others need first."""
        with open_engine() as engine:
            found = {each.labels[SERVICE]: each for each in self._containers(engine)}
            return [
                StartFailed(name, failure_reason(found[name]), log_tail(found[name]))
                for name in in_order(found)
                if failure_reason(found[name])
            ]

    def undo(self, started: Started) -> None:
        """Stop again what *started* tells of; with all of it, the network that holds the ports."""
        if self._running() <= set(started.servers):
            self._compose("stop")
        else:
            self._compose("stop", *started.servers)

    def stop(self, progress: Progress = quiet) -> tuple[str, ...]:
        """Remove the containers with their volumes; gives the names of those that ran.

        A dev-mode server's keys end with it, and what was encrypted under them is worth nothing.

        Raises:
            NoEngine: there is no engine.
            ConfigurationError: they are another clone's.

        """
        require_engine()
        with self.exclusive():
            self._refuse_others()
            running = tuple(sorted(self._running()))
            with progress("containers"):
                self._compose("down", "--volumes", "--remove-orphans")
            for name in COPIED:
                shutil.rmtree(self.layout.root / name, ignore_errors=True)
            self.layout.runtime.unlink(missing_ok=True)
        return running

    def status(self) -> tuple[Status, ...]:
        """Each container that stays: whether it is well, since when, as which process."""
        require_engine()
        numbers = self.ports.named()
        with open_engine() as engine:
            found = {each.labels[SERVICE]: each.attrs["State"] for each in self._containers(engine)}
        return tuple(
            status_of(name, title, numbers.get(name, 0), found.get(name, {}))
            for name, title in TITLES.items()
        )

    def restart_agent(self, template: str | None = None) -> None:
        """Restart the agent's container, on *template* if one is given; waits until it delivered.

        Not by ``up``: with another image the containers are made anew, and the server forgets.

        Raises:
            StartFailed: there is no such container, or it didn't deliver in time.

        """
        with open_engine() as engine:
            found = {each.labels[SERVICE]: each for each in self._containers(engine)}
            if "agent" not in found:
                raise StartFailed("agent", "there is no such container", "")
            agent, folder = found["agent"], INSIDE / "config" / self.scope.service
            agent.stop()
            # What it rendered before is not what is waited for.
            leftovers = [str(folder / "staging" / _CONFIG), str(folder / f"{_CONFIG}.status.json")]
            target = INSIDE / "agent" / str(self.scope) / "templates" / f"{_CONFIG}.ctmpl"
            prepare = ["python3", "-c", _PREPARE, str(target), template or "", *leftovers]
            engine.containers.run(agent.image, prepare, volumes_from=[agent.id], remove=True)
            agent.start()
            deadline = time.monotonic() + _DELIVERY_SECONDS
            while agent.exec_run(["test", "-s", leftovers[1]]).exit_code:
                if time.monotonic() > deadline:
                    raise StartFailed("agent", "it delivered nothing", log_tail(agent))
                time.sleep(_POLL_SECONDS)
        self.copy("config")

    def sync_config(self) -> None:
        """Copy them out of their volume, if there are containers."""
        with suppress(StartFailed):
            self.copy("config")

    def reset(self) -> None:
        """Remove everything: containers, volumes, copies."""
        self.stop()
        if self.layout.root.is_dir():
            shutil.rmtree(self.layout.root)

    def mark_bootstrapped(self) -> None:
        """Nothing: the service ``apply`` does that."""

    def copy(self, *names: str) -> None:
        """Copy the folders *names* out of the volumes, below the deployment's own folder.

        Raises:
            StartFailed: the container that sees them isn't there.

        """
        with open_engine() as engine:
            found = {each.labels[SERVICE]: each for each in self._containers(engine)}
            if "apply" not in found:
                raise StartFailed("apply", "there is no such container", "")
            for name in names:
                chunks, _ = found["apply"].get_archive(str(INSIDE / name))
                unpack(b"".join(chunks), (self.layout.root / name).parent)

    def _refuse_others(self) -> None:
        """Leave alone what was started from another clone, under the name that both have."""
        with open_engine() as engine:
            folders = {each.labels.get(_FOLDER, "") for each in self._containers(engine)}
        for folder in sorted(folders - {""}):
            if Path(folder).resolve() != PROJECT:
                raise ConfigurationError(
                    f"the containers {self.project} were started from {folder}, and going on would "
                    "erase their data; stop them there first: make vault-down"
                )

    def _images(self) -> None:
        """See that each image is there, and that the project's own is of today's code."""
        try:
            self._compose("build", "--quiet")
            self._compose("pull", "--policy=missing", "--ignore-buildable", "--quiet")
        except StartFailed as failed:
            raise NoEngine(
                "an image can't be had; reach a registry, or run python -m tests.images.build and "
                f"do as it says; {INSTEAD}\n{failed.log_tail}"
            ) from None

    def _compose(self, *arguments: str) -> None:
        """``docker compose`` with the deployment's name and ports; it shows nothing.

        Raises:
            StartFailed: it failed; with the end of what it said.

        """
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, *arguments],  # noqa: S607 (the user's own)
            cwd=PROJECT,
            env={**os.environ, **self._variables()},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            tail = "\n".join(done.stderr.splitlines()[-TAIL_LINES:])
            raise StartFailed(
                f"docker compose {arguments[0]}", f"exit code {done.returncode}", tail
            )

    def _variables(self) -> Mapping[str, str]:
        """What ``docker-compose.yml`` is told."""
        numbers = {setting(name): str(port) for name, port in self.ports.named().items()}
        image = os.environ.get("VAULT_IMAGE", "")
        binary = "vault" if image.rpartition("/")[2].partition(":")[0] == "vault" else "bao"
        return {**numbers, "VAULT_BINARY": binary}

    def _running(self) -> frozenset[str]:
        """Services that stay and run."""
        with open_engine() as engine:
            found = self._containers(engine)
        return frozenset(
            each.labels[SERVICE]
            for each in found
            if each.labels[SERVICE] in TITLES and is_healthy(each.attrs["State"])
        )

    def _containers(self, engine: Any) -> list[Any]:
        """Every container of this deployment, running or not."""
        labels = {"label": f"{LABEL}.project={self.project}"}
        found: list[Any] = engine.containers.list(all=True, filters=labels, ignore_removed=True)
        return found
