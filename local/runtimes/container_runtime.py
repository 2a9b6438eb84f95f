"""Container runtime: the deployment of a ``docker-compose.yml``, run from this machine.

The engine starts the servers, and its service ``apply`` applies the declaration. This module starts
and stops the compose project, and copies what this machine needs out of the volumes: credentials,
passwords and configs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

from local import folder_format, port_file
from local.access import Access
from local.docker import agent_container
from local.docker.compose import (
    INSIDE,
    ONE_SHOT,
    SERVERS,
    TITLES,
    find_titles,
    to_status,
)
from local.docker.compose_file import project_name
from local.docker.compose_project import ComposeProject
from local.docker.engine import open_engine, require_engine, unpack
from local.docker.published import check_published, published_ports
from local.layout import DEPLOYMENT, Layout
from local.ports import Ports
from local.processes.lock import Lock
from local.runtime_interface import (
    AgentUnit,
    Progress,
    StartFailed,
    StartResult,
    Status,
    no_progress,
)
from local.taken_ports import check_free
from vault.owned_folder import claim, remove_tree

#: Folders that are copied out after each start, named relative to the deployment's folder.
COPIED: Final = (
    "credentials",
    "service-credentials",
    "passwords",
    "smtp/accounts",
    "config",
)
#: Services that start without a config. The others may be unhealthy until it is delivered.
_NEED_NO_CONFIG: Final = frozenset({"network", *ONE_SHOT, *SERVERS})


class ContainerRuntime:
    """Deployment in the containers of the ``docker-compose.yml`` in *folder*.

    Its data is in the engine's volumes; *layout* has copies of some files. The service ``apply``
    finds the services in the declaration, as this machine does. By default *folder* is the one that
    contains the deployment's.
    """

    name: Final = "docker"
    #: None, because the agent is one of the containers.
    agent_host: Final = None

    def __init__(
        self,
        layout: Layout,
        ports: Ports,
        services: Sequence[Access],  # noqa: ARG002 (protocol)
        folder: Path | None = None,
    ) -> None:
        self.layout = layout
        self.ports = ports
        self.project = _project(layout, ports, folder)
        self._lock = Lock(layout)

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the deployment against other commands. The lock is reentrant."""
        return self._lock.exclusive()

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Build the image, start the missing containers, apply, and copy the credentials.

        If a container fails, the containers that this call started are stopped again, unless it is
        that of the agents: then a config was rejected, which the operator fixes.
        """
        file = self.project.file()
        require_engine()
        with self.exclusive():
            self.project.reject_other_clone()
            before = self.project.running_services()
            running_ports = self.running_ports(self.layout)
            port_file.reject_other_ports(self.layout.root, self.ports.by_name(), running_ports)
            if not before:
                check_free(self.ports)
            folder_format.write(self.layout)
            port_file.write(self.layout, self.ports)
            with progress("images"):
                self.project.ensure_images(file)
            with progress("containers started, declaration applied"):
                self._up(before)
            before_copy = self._copied_secret_ids()
            self._copy_all()
        # Only a new secrets server issues another secret-id to each role.
        has_lost_data = bool(before_copy) and not before_copy & self._copied_secret_ids()
        return StartResult(self._started_since(before), None, has_lost_data)

    def _copied_secret_ids(self) -> set[bytes]:
        """Return the secret-ids that were copied before."""
        return {path.read_bytes() for path in self.layout.service_credentials.glob("*/secret-id")}

    def _up(self, before: frozenset[str]) -> None:
        try:
            self.project.run("up", "--wait", "--detach")
        except StartFailed as failed:
            failures = self.project.failures() or [failed]
            steps = {failure.step for failure in failures}
            # If only configs are not delivered, all stay, so that the operator can fix the values.
            if "agent" not in steps or steps & _NEED_NO_CONFIG:
                self.stop_started(StartResult(self._started_since(before), None))
            else:
                self._copy_all()  # the credentials that fixing the values needs
            raise failures[0] from None

    def _copy_all(self) -> None:
        # Otherwise the copies of services that are no longer declared would stay.
        remove_tree(self.layout.service_credentials)
        self.copy(*COPIED)

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
        """
        require_engine()
        with self.exclusive():
            self.project.reject_other_clone()
            running = tuple(sorted(self.project.running_services()))
            with progress("containers"):
                self.project.run("down", "--volumes", "--remove-orphans")
            for name in COPIED:
                remove_tree(self.layout.root / name)
            self.layout.runtime.unlink(missing_ok=True)
        return running

    def status(self) -> tuple[Status, ...]:
        """Return the state of each service, without the one-shot ones."""
        require_engine()
        numbers = self.ports.by_name()
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
            states = {name: each.attrs["State"] for name, each in found.items()}
        titles = find_titles(sorted({*self.project.file().services, *found}))
        return tuple(
            to_status(name, title, numbers.get(name, 0), states.get(name, {}))
            for name, title in titles.items()
        )

    @staticmethod
    def running_ports(layout: Layout) -> Mapping[str, int]:
        """Return the ports that the running containers publish, by name."""
        require_engine()
        project = _project(layout, Ports(), None)
        with open_engine() as engine:
            return published_ports(project.containers_by_service(engine))

    def check_listener(self, name: str) -> None:
        """Check that the port of the server *name* is published by this project's containers."""
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
        check_published(TITLES[name], self.ports.by_name()[name], found)

    def restart_agent(self, unit: AgentUnit, template: str | None = None) -> None:
        """Have the supervisor restart an agent, and wait until it has delivered.

        This does not call ``docker compose up``, because after an image changed that would
        recreate the containers, and the dev-mode server would lose its data.
        """
        with open_engine() as engine:
            agent = self.project.containers_by_service(engine).get("agent")
            if agent is None or agent.status != "running":
                reason = "there is no such container; start it with: strongroom up"
                raise StartFailed("agent", reason, "")
            agent_container.restart_unit(agent, unit, template)
        self.copy("config")

    def sync_config(self) -> None:
        """Copy the delivered files out of their volume, if there are containers."""
        with suppress(StartFailed):
            self.copy("config")

    def sync_audit(self) -> None:
        """Copy the audit logs out of their volume, if there are containers."""
        with suppress(StartFailed):
            self.copy("vault/audit")

    def reset(self) -> None:
        """Remove the containers, the volumes and the copies."""
        self.stop()
        if self.layout.root.exists():
            remove_tree(claim(self.layout.root, DEPLOYMENT))

    def mark_bootstrapped(self) -> None:
        """Do nothing, because the service ``apply`` marks the secrets server."""

    def copy(self, *names: str) -> None:
        """Copy folders out of the volumes, below the deployment's folder on this machine."""
        with open_engine() as engine:
            found = self.project.containers_by_service(engine)
            if "apply" not in found:
                reason = "there is no such container; start it with: strongroom up"
                raise StartFailed("apply", reason, "")
            for name in names:
                chunks, _ = found["apply"].get_archive(str(INSIDE / name))
                unpack(b"".join(chunks), (self.layout.root / name).parent)


def _project(layout: Layout, ports: Ports, folder: Path | None) -> ComposeProject:
    return ComposeProject(folder or layout.root.parent, project_name(layout.root), ports)
