"""What the local deployment asks of whatever runs its servers: processes, or containers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app_integration.errors import StrongroomError
from app_integration.secret import Secret

#: Called with a server's title; what it gives is entered while that server starts or stops. Several
#: are at once, each from a thread of its own.
Progress = Callable[[str], AbstractContextManager[object]]


class StartFailed(StrongroomError):
    """A part didn't start, or ended; the message carries the last lines of its log."""

    def __init__(self, step: str, reason: str, log_tail: str) -> None:
        super().__init__(f"{step}: {reason}; its log ends:\n{log_tail or '(nothing was logged)'}")
        self.step = step
        self.log_tail = log_tail


@dataclass(frozen=True, slots=True)
class Started:
    """What a start had to do."""

    servers: tuple[str, ...]  # names of those it started; empty when all ran
    root_token: Secret | None  # of a server that was just initialised; kept nowhere else
    renewed: bool = False  # the secrets server came up without what it held before


@dataclass(frozen=True, slots=True)
class Status:
    """One part of the deployment; *port* is 0 where nobody connects."""

    name: str
    title: str
    port: int
    running: bool
    pid: int | None
    since: datetime | None


def quiet(_title: str) -> AbstractContextManager[None]:
    """Progress that nobody sees."""
    return nullcontext()


class AgentHost(Protocol):
    """Runs the service's agent on files that were laid out for it."""

    @property
    def task(self) -> str:
        """What its start amounts to, for people."""
        ...

    @property
    def log(self) -> str:
        """Where to read what it printed."""
        ...

    def status(self) -> Status:
        """Whether it runs."""
        ...

    def start(self, config: Path, delivered: Callable[[], bool]) -> None:
        """Run it on the supervisor's settings *config*; returns once *delivered* says yes.

        Raises:
            StartFailed: it ended, or didn't deliver in time.

        """
        ...

    def stop(self) -> None:
        """End it; nothing happens when it doesn't run."""
        ...


class Servers(Protocol):
    """The servers, as far as it takes to make them what the declaration says."""

    @property
    def name(self) -> str:
        """What the setting ``STRONGROOM_RUNTIME`` calls it."""
        ...

    @property
    def agents(self) -> AgentHost | None:
        """Who runs the agent; None when the start of the servers has seen to it."""
        ...

    def exclusive(self) -> AbstractContextManager[None]:
        """Keep other commands off the deployment; entered again inside, it changes nothing.

        Raises:
            Busy: another command is at it.

        """
        ...

    def start(self, progress: Progress = quiet) -> Started:
        """Start what doesn't run; what runs stays as it is.

        Raises:
            ConfigurationError: something that it needs isn't there.
            StartFailed: a server ended, or wasn't ready in time.

        """
        ...

    def undo(self, started: Started) -> None:
        """Stop again what *started* tells of."""
        ...

    def mark_bootstrapped(self) -> None:
        """From now on the secrets server's data is kept."""
        ...


class Runtime(Servers, Protocol):
    """The servers, and their ends."""

    def stop(self, progress: Progress = quiet) -> tuple[str, ...]:
        """Stop all; gives the names of those that ran."""
        ...

    def status(self) -> tuple[Status, ...]:
        """Each part: whether it runs, since when, as which process."""
        ...

    def restart_agent(self, template: str | None = None) -> None:
        """Restart the agent that the start of the servers has seen to; waits until it delivers.

        Args:
            template: what it renders from now on; None for what it has.

        Raises:
            StartFailed: it didn't deliver in time.

        """
        ...

    def sync_config(self) -> None:
        """See that the delivered files, if there are any, lie below the deployment's own folder."""
        ...

    def reset(self) -> None:
        """Stop all and erase everything."""
        ...
