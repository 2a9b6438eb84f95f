"""The four servers of a local deployment together."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from app_integration.errors import StrongroomError
from app_integration.names import Scope
from app_integration.secret import Secret
from vault.runtime.layout import Layout
from vault.runtime.openbao import OpenBao
from vault.runtime.ports import Ports, check_free
from vault.runtime.postgres import Manager, Postgres
from vault.runtime.processes import Processes
from vault.runtime.server import Server
from vault.runtime.smtp import Smtp
from vault.runtime.valkey import Valkey

#: Called with a server's title; what it gives is entered while that server starts or stops. Several
#: are at once, each from a thread of its own.
Progress = Callable[[str], AbstractContextManager[object]]


class Busy(StrongroomError):
    """Another command is starting, stopping or erasing this deployment."""


class StillRunning(StrongroomError):
    """Processes of this deployment that must end before it is erased."""


@dataclass(frozen=True, slots=True)
class Started:
    """What a start had to do."""

    servers: tuple[str, ...]  # names of those it started; empty when all ran
    root_token: Secret | None  # of a server that was just initialised; kept nowhere else


@dataclass(frozen=True, slots=True)
class Status:
    """One server."""

    name: str
    title: str
    port: int
    running: bool
    pid: int | None
    since: datetime | None


def quiet(_title: str) -> AbstractContextManager[None]:
    """Progress that nobody sees."""
    return nullcontext()


class Embedded:
    """A local deployment's servers, for the service of *scope*."""

    def __init__(self, layout: Layout, ports: Ports, scope: Scope) -> None:
        """Args: *layout* where its files lie, *ports* where it listens."""
        self.layout = layout
        self.ports = ports
        self.processes = Processes(layout)
        self._held = False
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
            try:
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

    def given_secrets(self) -> dict[str, Secret]:
        """Values by secret name, as the service would have had them in its ``.env``."""
        return {
            "database-url": self._database.url(),
            "redis-url": self._redis.url(),
            "smtp-password": self._smtp.password(),
        }

    @property
    def manager(self) -> Manager:
        """Whom Vault logs in as on PostgreSQL."""
        return self._database.manager

    @property
    def vault_address(self) -> str:
        """URL of the secrets server, its API and web page."""
        return self._vault.address

    def mark_bootstrapped(self) -> None:
        """From now on the secrets server's data is kept.

        A start before that begins with an empty one, as nobody has the root token of the old.
        """
        self._vault.mark_bootstrapped()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other commands off the deployment; entered again inside, it changes nothing.

        Raises:
            Busy: another command is at it.
        """
        if self._held:
            yield
            return
        self.layout.create()
        path = self.layout.run / "lock"
        with path.open("w") as lock:
            path.chmod(0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Busy(
                    f"another command is at work on {self.layout.root}; wait until it is done"
                ) from None
            self._held = True
            try:
                yield
            finally:
                self._held = False


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
