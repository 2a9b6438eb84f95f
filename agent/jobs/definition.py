"""Job: a command of the tool that recurs, and what it needs where it runs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum, auto
from pathlib import Path
from typing import Final

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope

#: Where ``pipx install --global`` puts the tool, and ``pip`` in an image of Python.
PROGRAM: Final = Path("/usr/local/bin/strongroom")


class Need(Enum):
    """Part of its place that a job needs. What it does not need, it does not get."""

    #: The credential of the service, to log in to the server.
    CREDENTIAL = auto()
    #: The credential of the role ``strongroom-rotator``.
    ROTATOR = auto()
    #: The credential of the role ``strongroom-auditor``.
    AUDITOR = auto()
    #: The deployment's repository, which it reads.
    REPOSITORY = auto()
    #: The service's database.
    DATABASE = auto()
    #: A folder that it may write. It has no other.
    FOLDER = auto()
    #: The machine of the secrets server: its user, and the folders of its audit logs.
    SERVER = auto()
    #: The server's audit logs, which it only reads.
    LOGS = auto()
    #: A folder of its own, for what it remembers between two runs.
    STATE = auto()
    #: A file for the node exporter. Exit code 2 is a finding that the metrics have, and no failure.
    METRICS = auto()
    #: The service's key for logs, with which it may only encrypt.
    AUDIT_KEY = auto()
    #: The plan of a migration, which names the service.
    PLAN = auto()
    #: Connections to other machines.
    NETWORK = auto()


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Options of all jobs. A job takes some of them. *keep* is in days."""

    folder: Path | None = None
    recipient: tuple[str, ...] = ()
    keep: int | None = None
    repository: Path | None = None
    audit_log: tuple[Path, ...] = ()
    store: Path | None = None
    prometheus: str | None = None
    reload: str | None = None
    user: str | None = None
    metrics: Path | None = None

    @property
    def given(self) -> list[str]:
        """Return the names of those that have a value."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return [name for name, value in values.items() if value not in {None, ()}]

    @property
    def paths(self) -> list[Path]:
        """Return the paths among them."""
        found = (self.folder, self.repository, self.store, self.metrics, *self.audit_log)
        return [path for path in found if path is not None]


@dataclass(frozen=True, slots=True)
class Job:
    """A job that a service or an environment can have.

    *timeout* is in seconds. The command gets the options in *passes*, in their order, and not those
    in *takes*.
    """

    name: str
    description: str
    command: tuple[str, ...]
    schedule: str
    timeout: int
    needs: frozenset[Need]
    passes: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    has_service: bool = True

    @property
    def role(self) -> str | None:
        """Return the key of its role in an environment's section ``jobs``; None without one."""
        return next((role for need, role in _ROLES.items() if need in self.needs), None)

    def arguments(self, subject: Scope | Environment, options: JobOptions) -> list[str]:
        """Return the arguments of the tool."""
        words = [*self.command]
        if isinstance(subject, Scope):
            words += [] if Need.PLAN in self.needs else ["--service", subject.service]
            subject = subject.environment
        words += ["--env", str(subject)]
        for name in self.passes:
            value = getattr(options, name)
            for each in value if isinstance(value, tuple) else (value,):
                words += [_option(name), str(each)] if each is not None else []
        return words

    def check_options(self, options: JobOptions) -> None:
        """Check that *options* are those of this job."""
        required = {name: text for need, name, text in _REQUIRED if need in self.needs}
        for name in options.given:
            if name not in {*self.passes, *self.takes, *required}:
                raise ConfigurationError(f"the job {self.name} takes no {_option(name)}; remove it")
        for name, text in required.items():
            if name not in options.given:
                hint = text.format(_option(name))
                raise ConfigurationError(f"the job {self.name} {hint}, as it is where the job runs")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


#: Need of a credential of the deployment → the key of its role in the section ``jobs``.
_ROLES: Final = {Need.ROTATOR: "rotator", Need.AUDITOR: "auditor"}
#: A need, the option in :class:`JobOptions` that it requires, and what an error says.
_REQUIRED: Final = (
    (Need.FOLDER, "folder", "writes to a folder; name it with {}"),
    (Need.REPOSITORY, "repository", "reads the deployment's repository; name its folder with {}"),
    (Need.SERVER, "audit_log", "renames the server's audit logs; name each with {}"),
    (Need.SERVER, "reload", "has the server open its logs again; pass the command with {}"),
    (Need.SERVER, "user", "runs as the server's user; name it with {}"),
    (Need.LOGS, "audit_log", "reads the server's audit logs; name each with {}"),
    (Need.LOGS, "user", "runs as a user who may read the server's audit logs; name it with {}"),
)
