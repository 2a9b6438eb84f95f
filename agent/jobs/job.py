"""Job: a command of the tool that recurs, and what it needs where it runs."""

from __future__ import annotations

from collections.abc import Callable
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

    """

    folder: Path | None = None
    recipient: tuple[str, ...] = ()
    keep: int | None = None
    repository: Path | None = None
    audit_log: tuple[Path, ...] = ()
    prometheus: str | None = None

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
        arguments: Returns the arguments of the tool.
        schedule: The schedule that it has if none is given, in the fields of cron.
        timeout: Seconds after which a run is ended.
        needs: What it needs where it runs.
        takes: Names of :class:`JobOptions`, beside the folder and the repository.

    """

    name: str
    description: str
    arguments: Callable[[Scope, JobOptions], list[str]]
    schedule: str
    timeout: int
    needs: frozenset[Need]
    takes: frozenset[str] = frozenset()

    def check_options(self, options: JobOptions) -> None:
        """Check that *options* are those of this job.

        Raises:
            ConfigurationError: If one is missing, or is not taken.

        """
        taken = self.takes | {name for name, need in _FOLDERS.items() if need in self.needs}
        for name in options.given:
            if name not in taken:
                option = name.replace("_", "-")
                raise ConfigurationError(f"the job {self.name} takes no --{option}; remove it")
        if "folder" in taken and options.folder is None:
            raise ConfigurationError(
                f"the job {self.name} writes to a folder; name it with --folder, as its path where "
                "the job runs"
            )
        if "repository" in taken and options.repository is None:
            raise ConfigurationError(
                f"the job {self.name} reads the deployment's repository; name its folder with "
                "--repository, as its path where the job runs"
            )


#: Name of a folder in :class:`JobOptions` → the need of it.
_FOLDERS: Final = {"folder": Need.FOLDER, "repository": Need.REPOSITORY}
