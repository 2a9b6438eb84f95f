"""Interface between the local deployment and the runtime of its servers.

The runtimes are processes (:mod:`.runtimes.process_runtime`) and containers
(:mod:`.runtimes.container_runtime`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app_integration.errors import StrongroomError
from app_integration.secret import Secret

#: Takes a server's title and returns a context manager, which is open while that server starts or
#: stops. It is called from several threads at the same time, because servers start in parallel.
Progress = Callable[[str], AbstractContextManager[object]]


class StartFailed(StrongroomError):
    """A part of the deployment that did not start, or exited.

    The message contains the last lines of its log, or the command that prints it.
    """

    def __init__(self, step: str, reason: str, log_tail: str) -> None:
        super().__init__(
            f"{step}: {reason}; see the end of its log:\n{log_tail or '(nothing was logged)'}"
        )
        self.step = step
        self.log_tail = log_tail


@dataclass(frozen=True, slots=True)
class StartResult:
    """Result of a start.

    *root_token* is that of a newly initialised secrets server, which is stored nowhere else.
    """

    servers: tuple[str, ...]
    root_token: Secret | None
    has_lost_data: bool = False


@dataclass(frozen=True, slots=True)
class Status:
    """State of one part of the deployment; *port* is 0 if it accepts no connections.

    *problem* says in a word why a running part is of no use; None if it is, or that is unknown.
    """

    name: str
    title: str
    port: int
    running: bool
    pid: int | None
    since: datetime | None
    problem: str | None = None

    @property
    def works(self) -> bool:
        """Return whether the part is running, without a known problem."""
        return self.running and self.problem is None


@dataclass(frozen=True, slots=True)
class AgentUnit:
    """Files of one agent, relative to the deployment's folder."""

    folder: Path
    template: Path
    live: Path


def no_progress(_title: str) -> AbstractContextManager[None]:
    """Return a context manager that shows no progress."""
    return nullcontext()


class AgentHost(Protocol):
    """A runner of the services' agents, which it starts as their files appear or change."""

    @property
    def vault_address(self) -> str:
        """Return the URL of the secrets server for the agents."""
        ...

    @property
    def needs_values(self) -> bool:
        """Return whether an agent may be started only if each secret of its template has a value.

        Otherwise it waits for them.
        """
        ...

    def status(self) -> Status:
        """Return the state of the runner."""
        ...

    def start(self) -> None:
        """Start the runner, unless it is running.

        Raises:
            StartFailed: If it cannot be executed.

        """
        ...

    def wait_until(self, is_delivered: Callable[[], bool], seconds: float) -> None:
        """Wait until *is_delivered* returns True.

        Args:
            is_delivered: Called repeatedly. It may raise to end the wait.
            seconds: Longest wait.

        Raises:
            StartFailed: If the runner exits, or the wait takes too long.

        """
        ...

    def stop(self) -> None:
        """Stop the runner and its agents."""
        ...


class Servers(Protocol):
    """Operations on servers that applying a declaration needs."""

    @property
    def name(self) -> str:
        """Return the runtime's name, a value of the setting ``STRONGROOM_RUNTIME``."""
        ...

    @property
    def agent_host(self) -> AgentHost | None:
        """Return the agents' runner, or None if :meth:`start` starts the agents too."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Lock the deployment against other commands. The lock is reentrant.

        Raises:
            Busy: If another command has the lock.

        """
        ...

    def start(self, progress: Progress = no_progress) -> StartResult:
        """Start the servers that are not running.

        Args:
            progress: Shows each step.

        Raises:
            ConfigurationError: If something that a server needs is missing.
            Sealed: If the secrets server is running, and sealed.
            StartFailed: If a server exits, or is not ready in time.

        """
        ...

    def stop_started(self, started: StartResult) -> None:
        """Stop the servers that *started* names."""
        ...

    def mark_bootstrapped(self) -> None:
        """Keep the secrets server's data from now on."""
        ...

    def check_listener(self, name: str) -> None:
        """Check that the server *name* of this deployment listens on its port.

        Raises:
            UnexpectedListener: If another process does, or none. No credential may be sent then.

        """
        ...


class Runtime(Servers, Protocol):
    """Operations on servers that the commands for a local deployment need."""

    def stop(self, progress: Progress = no_progress) -> tuple[str, ...]:
        """Stop all servers, and return the names of those that were running."""
        ...

    def status(self) -> tuple[Status, ...]:
        """Return the state of each part."""
        ...

    def restart_agent(self, unit: AgentUnit, template: str | None = None) -> None:
        """Restart an agent that :meth:`start` started, and wait until it delivers.

        Args:
            unit: The agent.
            template: A compiled template for the agent, or None to keep the one that it has.

        Raises:
            StartFailed: If the agent does not deliver in time.

        """
        ...

    def sync_config(self) -> None:
        """Copy the delivered files, if there are any, below the deployment's folder."""
        ...

    def sync_audit(self) -> None:
        """Copy the audit logs, if there are any, below the deployment's folder."""
        ...

    def reset(self) -> None:
        """Stop all servers, and erase the deployment."""
        ...
