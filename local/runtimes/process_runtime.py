"""Servers of a local deployment as processes: what every runtime of processes does alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import ClassVar

from app_integration._internal.private_file import write_private
from app_integration.errors import StrongroomError
from local import folder_format, port_file
from local.former_root import reject_copy, reject_moved
from local.layout import DEPLOYMENT, Layout
from local.ports import Ports
from local.processes.lock import Lock
from local.processes.processes import ProcessManager
from local.runtime_interface import AgentUnit, Progress, StartResult, Status, no_progress
from local.servers.server_process import Server
from local.taken_ports import check_free
from vault.owned_folder import claim, remove_tree


class StillRunning(StrongroomError):
    """A process of this deployment that must be stopped before the deployment is erased."""


class ProcessRuntime:
    """Servers of a local deployment, each a process."""

    name: ClassVar[str]
    #: In the order in which they are shown.
    server_types: ClassVar[tuple[type[Server], ...]]

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self.layout = layout
        self.ports = ports
        self.processes = ProcessManager(layout)
        self._lock = Lock(layout)
        #: One of each class; the subclass sets it.
        self._servers: tuple[Server, ...] = ()

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Start the servers that are not running.

        If one fails, the servers that this call started are stopped again.
        """
        with self.exclusive():
            reject_moved(self.layout)
            running_ports = self.running_ports(self.layout)
            port_file.reject_other_ports(self.layout.root, self.ports.by_name(), running_ports)
            missing = [server for server in self._servers if not server.is_ready()]
            for server in missing:
                server.stop()
            check_free(self.ports, [name for server in missing for name in server.port_names])
            folder_format.write(self.layout)
            port_file.write(self.layout, self.ports)
            # First, so that a later command stops the servers of a start that was killed.
            write_private(self.layout.runtime, self.name)
            running = [server for server in self._servers if server not in missing]
            try:
                # An earlier command may have been killed before a running server was set up, so
                # that start(), which repeats the setup, is called for each server.
                _run_on_each(running, lambda server: server.start(), no_progress)
                _run_on_each(missing, lambda server: server.start(), progress)
            except BaseException:
                _run_on_each(missing, lambda server: server.stop(), no_progress)
                raise
        return StartResult(tuple(server.name for server in missing), None)

    def stop(self, progress: Progress = no_progress) -> tuple[str, ...]:
        """Stop all servers, and return the names of those that were running.

        Their data stays.
        """
        if not self.layout.run.exists():
            return ()
        with self.exclusive():
            running = [server for server in self._servers if server.find()]
            _run_on_each(running, lambda server: server.stop(), progress)
            # A process that find does not see may have left files.
            rest = [server for server in self._servers if server not in running]
            _run_on_each(rest, lambda server: server.stop(), no_progress)
        return tuple(server.name for server in running)

    @classmethod
    def running_ports(cls, layout: Layout) -> Mapping[str, int]:
        """Return the ports of the running servers of the deployment in *layout*, by name."""
        processes = ProcessManager(layout)
        return {
            name: port
            for server in cls.server_types
            if (running := processes.find(server.name))
            for name, port in zip(server.port_names, running.ports, strict=False)
        }

    def status(self) -> tuple[Status, ...]:
        """Return the state of each server."""
        return tuple(map(_status, self._servers))

    def restart_agent(self, unit: AgentUnit, template: str | None = None) -> None:
        """Do nothing, because no server here runs agents."""

    def sync_config(self) -> None:
        """Do nothing, because the agent delivers directly below the deployment's folder."""

    def sync_audit(self) -> None:
        """Do nothing, because the server writes directly below the deployment's folder."""

    def reset(self) -> None:
        """Stop all servers, and erase their data, keys, passwords and logs."""
        servers = {server.name for server in self._servers}
        running = {name for name in self.processes.names() if self.processes.find(name)}
        if others := sorted(running - servers):
            raise StillRunning(f"{', '.join(others)} is still running; stop it first")
        self.stop()
        for server in self._servers:
            server.erase()
        if self.layout.root.exists():
            remove_tree(claim(self.layout.root, DEPLOYMENT))

    def check_listener(self, name: str) -> None:
        """Check that the server *name*, as this deployment started it, listens on its port."""
        next(server for server in self._servers if server.name == name).check_listener()

    def stop_started(self, started: StartResult) -> None:
        """Stop the servers that *started* names."""
        for name in started.servers:
            self.processes.stop(name)

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the deployment against other commands. The lock is reentrant."""
        reject_copy(self.layout)
        return self._lock.exclusive()


def _run_on_each(
    servers: tuple[Server, ...] | list[Server],
    action: Callable[[Server], None],
    progress: Progress,
) -> None:
    """Run *action* on all servers in parallel, and raise the first error once all have ended."""

    def run(server: Server) -> None:
        with progress(server.title):
            action(server)

    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        for future in [pool.submit(run, server) for server in servers]:
            future.result()


def _status(server: Server) -> Status:
    running = server.find()
    return Status(
        name=server.name,
        title=server.title,
        port=server.port,
        running=running is not None,
        pid=running.pid if running else None,
        since=running.since if running else None,
        problem=server.find_problem() if running else None,
    )
