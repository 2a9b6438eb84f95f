"""Job: a command of the tool that recurs, and what it needs where it runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum, auto
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Scope


class Need(Enum):
    """Part of its place that a job needs. What it does not need, it does not get."""

    #: The credential of the service, to log in to the server.
    CREDENTIAL = auto()
    #: The credential of the role ``strongroom-rotator``.
    ROTATOR = auto()
    #: The deployment's repository, which it reads.
    REPOSITORY = auto()
    #: The service's database.
    DATABASE = auto()
    #: A folder that it may write. It has no other.
    FOLDER = auto()
    #: The machine of the secrets server: its user, and the folders of its audit logs.
    SERVER = auto()
    #: The service's key for logs, with which it may only encrypt.
    AUDIT_KEY = auto()
    #: Connections to other machines.
    NETWORK = auto()


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Options of all jobs. A job takes some of them.

    Attributes:
        folder: The folder that it writes.
        recipient: Public keys of age.
        keep: Days after which it deletes what it has written.
        repository: The deployment's repository.
        audit_log: Files of the server's audit devices.
        prometheus: Address of a Prometheus.
        reload: Command that has the server open its audit logs again.
        user: User of the server, whom its audit logs belong to.

    """

    folder: Path | None = None
    recipient: tuple[str, ...] = ()
    keep: int | None = None
    repository: Path | None = None
    audit_log: tuple[Path, ...] = ()
    prometheus: str | None = None
    reload: str | None = None
    user: str | None = None

    @property
    def given(self) -> list[str]:
        """Return the names of those that have a value."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return [name for name, value in values.items() if value not in {None, ()}]


@dataclass(frozen=True, slots=True)
class Job:
    """A job that a service can have.

    Attributes:
        name: Its name, which ends the name of its unit.
        description: One phrase, which the service's name follows.
        command: Words of the tool's command, without options.
        schedule: The schedule that it has if none is given, in the fields of cron.
        timeout: Seconds after which a run is ended.
        needs: What it needs where it runs.
        passes: Names of the :class:`JobOptions` that the command gets, in their order. A job takes
            those that its needs require, too.

    """

    name: str
    description: str
    command: tuple[str, ...]
    schedule: str
    timeout: int
    needs: frozenset[Need]
    passes: tuple[str, ...] = ()

    def arguments(self, scope: Scope, options: JobOptions) -> list[str]:
        """Return the arguments of the tool."""
        words = [*self.command, "--service", scope.service, "--env", str(scope.environment)]
        for name in self.passes:
            value = getattr(options, name)
            for each in value if isinstance(value, tuple) else (value,):
                words += [_option(name), str(each)] if each is not None else []
        return words

    def check_options(self, options: JobOptions) -> None:
        """Check that *options* are those of this job.

        Raises:
            ConfigurationError: If one is missing, or is not taken.

        """
        required = {name: text for name, (need, text) in _REQUIRED.items() if need in self.needs}
        for name in options.given:
            if name not in {*self.passes, *required}:
                raise ConfigurationError(f"the job {self.name} takes no {_option(name)}; remove it")
        for name, text in required.items():
            if name not in options.given:
                hint = text.format(_option(name))
                raise ConfigurationError(f"the job {self.name} {hint}, as it is where the job runs")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


#: Name of an option in :class:`JobOptions` → the need of it, and what an error says.
_REQUIRED: Final = {
    "folder": (Need.FOLDER, "writes to a folder; name it with {}"),
    "repository": (Need.REPOSITORY, "reads the deployment's repository; name its folder with {}"),
    "audit_log": (Need.SERVER, "renames the server's audit logs; name each with {}"),
    "reload": (Need.SERVER, "has the server open its logs again; pass the command with {}"),
    "user": (Need.SERVER, "runs as the server's user; name it with {}"),
}
