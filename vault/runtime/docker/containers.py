"""Container runtime: the deployment of ``docker-compose.yml``, run from this machine.

The engine starts the servers, and its service ``apply`` applies the declaration. This module starts
and stops the compose project, and copies what this machine needs out of the volumes: credentials,
passwords and configs.
"""

from __future__ import annotations

import shutil
import time
from contextlib import AbstractContextManager, suppress
from pathlib import PurePosixPath
from typing import Final

from app_integration.names import Scope
from vault.runtime.docker.compose import TITLES, project_name, to_status
from vault.runtime.docker.compose_project import ComposeProject
from vault.runtime.docker.engine import (
    USE_EMBEDDED,
    NoEngine,
    log_tail,
    open_engine,
    require_engine,
    unpack,
)
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports, check_free
from vault.runtime.processes.lock import Lock
from vault.runtime.runtime import Progress, StartFailed, StartResult, Status, no_progress

#: The deployment's folder in the one-shot services, which mount all of its volumes.
INSIDE: Final = PurePosixPath("/strongroom")
_CONFIG: Final = "app.yaml"
#: Run on the stopped agent's volumes: write its template, and remove what it rendered before.
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
#: Folders that are copied out after each start, named relative to the deployment's folder.
COPIED: Final = ("credentials", "passwords", "config")


class ContainerRuntime:
    """Deployment in containers.

    Its data is in the engine's volumes; *layout* has copies of some files. *scope* must be the one
    that ``docker-compose.yml`` is written for.
    """

    name: Final = "docker"
    #: None, because the agent is one of the containers.
    agent_host: Final = None

    def __init__(self, layout: Layout, ports: Ports, scope: Scope) -> None:
        self.layout = layout
        self.ports = ports
        self.scope = scope
        self.project = ComposeProject(project_name(layout.root), ports)
        self._lock = Lock(layout)

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the deployment against other commands. The lock is reentrant.

        Raises:
            Busy: If another command has the lock.

        """
        return self._lock.exclusive()

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Build the image, start the missing containers, apply, and copy the credentials.

        If a container fails, the containers that this call started are stopped again.

        Args:
            progress: Shows each step.

        Raises:
            Busy: If another command has the deployment's lock.
            NoEngine: If there is no engine, or an image is not available.
            ConfigurationError: If another clone's containers have this deployment's name.
            PortTaken: If another process listens on a port. No container was started.
            StartFailed: If a container exits, or is not healthy in time.

        """
        require_engine()
        with self.exclusive():
            self.project.reject_other_clone()
            before = self.project.running_services()
            if not before:
                check_free(self.ports)
            with progress("images"):
                self._ensure_images()
            with progress("containers started, declaration applied"):
                self._up(before)
            old_secret_id = self._copied_secret_id()
            self.copy(*COPIED)
        # Only a new secrets server issues another secret-id.
        has_lost_data = old_secret_id not in (b"", self._copied_secret_id())
        return StartResult(self._started_since(before), None, has_lost_data)

    def _copied_secret_id(self) -> bytes:
        """Return the service's secret-id, or nothing if there is no copy of it."""
        file = self.layout.secret_id(str(self.scope))
        return file.read_bytes() if file.exists() else b""

    def _up(self, before: frozenset[str]) -> None:
        try:
            self.project.run("up", "--wait", "--detach")
        except StartFailed as failed:
            failures = self.project.failures() or [failed]
            self.stop_started(StartResult(self._started_since(before), None))
            raise failures[0] from None

    def _started_since(self, before: frozenset[str]) -> tuple[str, ...]:
        return tuple(sorted(self.project.running_services() - before))

    def stop_started(self, started: StartResult) -> None:
        """Stop the services that *started* names.

        If no other service is running, stop the container ``network`` too, which publishes the
        ports.
        """
        if self.project.running_services() <= set(started.servers):
            self.project.run("stop")
        else:
            self.project.run("stop", *started.servers)

    def stop(self, progress: Progress = no_progress) -> tuple[str, ...]:
        """Remove the containers and volumes, and return the services that were running.

        The volumes go too, because a dev-mode server loses its keys when it stops: data that was
        encrypted under them cannot be decrypted any more.

        Args:
            progress: Shows the step.

        Raises:
            Busy: If another command has the deployment's lock.
            NoEngine: If there is no engine.
            ConfigurationError: If the containers were started from another clone.

        """
        require_engine()
        with self.exclusive():
            self.project.reject_other_clone()
            running = tuple(sorted(self.project.running_services()))
            with progress("containers"):
                self.project.run("down", "--volumes", "--remove-orphans")
            for name in COPIED:
                shutil.rmtree(self.layout.root / name, ignore_errors=True)
            self.layout.runtime.unlink(missing_ok=True)
        return running

    def status(self) -> tuple[Status, ...]:
        """Return the state of each service, without the one-shot ones."""
        require_engine()
        numbers = self.ports.by_name()
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
            states = {name: each.attrs["State"] for name, each in found.items()}
        return tuple(
            to_status(name, title, numbers.get(name, 0), states.get(name, {}))
            for name, title in TITLES.items()
        )

    def restart_agent(self, template: str | None = None) -> None:
        """Restart the agent's container, and wait until it has delivered.

        This does not call ``docker compose up``, because after an image changed that would
        recreate the containers, and the dev-mode server would lose its data.

        Args:
            template: A compiled template for the agent, or None to keep the one that it has.

        Raises:
            StartFailed: If there is no such container, or it does not deliver in time.

        """
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
            if "agent" not in found:
                reason = "there is no such container; start it with: make vault-up"
                raise StartFailed("agent", reason, "")
            agent, folder = found["agent"], INSIDE / "config" / self.scope.service
            agent.stop()
            # Remove the status of the last delivery, otherwise the wait below would end at once.
            leftovers = [str(folder / "staging" / _CONFIG), str(folder / f"{_CONFIG}.status.json")]
            target = INSIDE / "agent" / str(self.scope) / "templates" / f"{_CONFIG}.ctmpl"
            prepare = ["python3", "-c", _PREPARE, str(target), template or "", *leftovers]
            engine.containers.run(agent.image, prepare, volumes_from=[agent.id], remove=True)
            agent.start()
            deadline = time.monotonic() + _DELIVERY_SECONDS
            while agent.exec_run(["test", "-s", leftovers[1]]).exit_code:
                if time.monotonic() > deadline:
                    reason = f"it delivered nothing within {_DELIVERY_SECONDS:.0f} s"
                    raise StartFailed("agent", reason, log_tail(agent))
                time.sleep(_POLL_SECONDS)
        self.copy("config")

    def sync_config(self) -> None:
        """Copy the delivered files out of their volume, if there are containers."""
        with suppress(StartFailed):
            self.copy("config")

    def reset(self) -> None:
        """Remove the containers, the volumes and the copies."""
        self.stop()
        if self.layout.root.is_dir():
            shutil.rmtree(self.layout.root)

    def mark_bootstrapped(self) -> None:
        """Do nothing, because the service ``apply`` marks the secrets server."""

    def copy(self, *names: str) -> None:
        """Copy folders out of the volumes, below the deployment's folder on this machine.

        Args:
            *names: Paths relative to the deployment's folder.

        Raises:
            StartFailed: If the container that mounts the volumes does not exist.

        """
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
            if "apply" not in found:
                reason = "there is no such container; start it with: make vault-up"
                raise StartFailed("apply", reason, "")
            for name in names:
                chunks, _ = found["apply"].get_archive(str(INSIDE / name))
                unpack(b"".join(chunks), (self.layout.root / name).parent)

    def _ensure_images(self) -> None:
        """Build the project's image from the current code, and pull the images that are missing."""
        try:
            self.project.run("build", "--quiet")
            self.project.run("pull", "--policy=missing", "--ignore-buildable", "--quiet")
        except StartFailed as failed:
            raise NoEngine(
                "an image is not available; make a registry reachable, or run "
                f"python -m tests.images.build and follow its output; {USE_EMBEDDED}\n"
                f"{failed.log_tail}"
            ) from None
