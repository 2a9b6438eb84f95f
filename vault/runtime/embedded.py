"""The four servers of a local deployment together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Final

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from vault.runtime.access import Access
from vault.runtime.layout import Layout
from vault.runtime.ports import Ports, check_free
from vault.runtime.processes.agent import AgentProcess
from vault.runtime.processes.lock import Lock
from vault.runtime.processes.processes import Processes
from vault.runtime.runtime import Progress, Started, Status, quiet
from vault.runtime.servers.openbao import OpenBao
from vault.runtime.servers.postgres import Postgres
from vault.runtime.servers.server import Server
from vault.runtime.servers.smtp import Smtp
from vault.runtime.servers.valkey import Valkey


class StillRunning(StrongroomError):
    """Processes of this deployment that must end before it is erased."""


class Embedded:
    """A local deployment's servers, for the service of *scope*."""

    name: Final = "embedded"

    def __init__(self, layout: Layout, ports: Ports, scope: Scope) -> None:
        """Args: *layout* where its files lie, *ports* where it listens."""
        self.layout = layout
        self.ports = ports
        self.processes = Processes(layout)
        self.access = Access(layout, ports, scope)
        self.agents = AgentProcess(layout, self.processes)
        self._lock = Lock(layout)
        self._vault = OpenBao(layout, ports, self.processes)
        self._database = Postgres(layout, ports, self.processes, scope)
        self._redis = Valkey(layout, ports, self.processes)
        self._smtp = Smtp(layout, ports, self.processes, scope.service)
        self._servers: tuple[Server, ...] = (
            self._vault,
            self._database,
            self._redis,
            self._smtp,
        )

    def start(self, progress: Progress = quiet) -> Started:
        """Start what doesn't run; what runs stays as it is.

        When something fails, what this call started is stopped again.

        Raises:
            Busy: another command is at it.
            ConfigurationError: a folder or file can't be used.
            PortTaken: a port is someone else's; then nothing was started.
            StartFailed: a server ended, or wasn't ready in time.

        """
        with self.exclusive():
            missing = [server for server in self._servers if not server.ready()]
            for server in missing:
                server.stop()
            check_free(self.ports, [name for server in missing for name in server.port_names])
            running = [server for server in self._servers if server not in missing]
            try:
                # What runs may have been killed on its way: that it is set up is seen each time.
                _each(running, lambda server: server.start(), quiet)
                _each(missing, lambda server: server.start(), progress)
            except BaseException:
                _each(missing, lambda server: server.stop(), quiet)
                raise
        return Started(tuple(server.name for server in missing), self._vault.root_token)

    def stop(self, progress: Progress = quiet) -> tuple[str, ...]:
        """Stop all four; gives the names of those that ran. Data stays.

        Raises:
            Busy: another command is at it.
            StopFailed: a process survives SIGKILL.

        """
        if not self.layout.run.exists():
            return ()
        with self.exclusive():
            running = tuple(server.name for server in self._servers if server.find())
            _each(self._servers, lambda server: server.stop(), progress)
        return running

    def status(self) -> tuple[Status, ...]:
        """Each server: whether it runs, since when, as which process."""
        return tuple(map(_status, self._servers))

    def restart_agent(self, template: str | None = None) -> None:
        """Nothing: here :attr:`agents` runs it."""

    def sync_config(self) -> None:
        """Nothing: the agent delivers there."""

    def reset(self) -> None:
        """Stop all four and erase everything: data, keys, passwords, logs.

        Raises:
            Busy: another command is at it.
            StillRunning: another process of this deployment runs; nothing was stopped or erased.

        """
        own = {server.name for server in self._servers}
        others = [name for name in self.processes.names() if self.processes.find(name)]
        if left := sorted(set(others) - own):
            raise StillRunning(f"{', '.join(left)} still runs; stop it first")
        self.stop()
        for server in self._servers:
            server.erase()
        if self.layout.root.is_dir():
            shutil.rmtree(self.layout.root)

    def undo(self, started: Started) -> None:
        """Stop again what *started* tells of."""
        for name in started.servers:
            self.processes.stop(name)

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other commands off the deployment; entered again inside, it changes nothing.

        Raises:
            Busy: another command is at it.

        """
        return self._lock.exclusive()

    def mark_bootstrapped(self) -> None:
        """From now on the secrets server's data is kept.

        A start before that begins with an empty one, as nobody has the root token of the old.
        """
        self._vault.mark_bootstrapped()


def _each(
    servers: tuple[Server, ...] | list[Server], act: Callable[[Server], None], progress: Progress
) -> None:
    """Do *act* to all at the same time; raises the first error once all are done."""

    def shown(server: Server) -> None:
        with progress(server.title):
            act(server)

    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        for done in [pool.submit(shown, server) for server in servers]:
            done.result()


def _status(server: Server) -> Status:
    running = server.find()
    return Status(
        name=server.name,
        title=server.title,
        port=server.port,
        running=running is not None,
        pid=running.pid if running else None,
        since=running.since if running else None,
    )
