"""A job of one service, with all that the files of a target contain."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.jobs.job import Job, JobOptions, Need
from agent.jobs.schedule import Schedule
from agent.targets.files import printable
from agent.targets.settings import ServiceSettings, service_settings
from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, mount_variables
from app_integration.names import Scope
from vault.audit.archive.reload import parse_command
from vault.declare.declaration import AUDIT_KEY, Declaration
from vault.declare.durations import whole_days
from vault.declare.schema.logins import JwtLogin

#: Where ``pipx install --global`` puts the tool, and ``pip`` in an image of Python.
PROGRAM: Final = Path("/usr/local/bin/strongroom")
_RECIPIENT: Final = re.compile(r"age1[02-9ac-hj-np-z]{58}")
#: How a private key begins, also one of a plugin.
_PRIVATE_KEY: Final = "AGE-"


@dataclass(frozen=True, slots=True)
class Place:
    """Place where a job runs, which the declaration does not know.

    Attributes:
        program: The tool.
        cacert: PEM file of the CA that signed the server's certificate; None for the system's CAs.
        image: Image of the container; None where there is none.

    """

    program: Path = PROGRAM
    cacert: Path | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job of one service, at its times and its place.

    Attributes:
        job: The job.
        service: What the declaration says about the service.
        schedule: Times at which it runs.
        options: Options of the job.
        place: Where it runs.
        rotator: Login of ``strongroom-rotator`` beside its AppRole, None if none is declared.

    """

    job: Job
    service: ServiceSettings
    schedule: Schedule
    options: JobOptions
    place: Place
    rotator: JwtLogin | None = None

    @property
    def name(self) -> str:
        """Return the name of its unit."""
        return f"strongroom-{self.service.scope.service}-{self.job.name}"

    @property
    def description(self) -> str:
        """Return one phrase about it."""
        scope = self.service.scope
        return f"{self.job.description} {scope.service} in {scope.environment}"

    @property
    def command(self) -> list[str]:
        """Return the command that it runs."""
        arguments = self.job.arguments(self.service.scope, self.options)
        return [str(self.place.program), *arguments]

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that are the same everywhere, without those of its login's files."""
        service, mounts = self.service, self.service.mounts
        if not service.needs_secret_id:
            # The variable of the AppRole's mount would be taken for that of the other method.
            mounts = replace(mounts, approle=DEFAULT_MOUNTS.approle)
        login = {"STRONGROOM_AUTH": service.agent.login} if self.needs(Need.CREDENTIAL) else {}
        return {**service.variables, **login, **mount_variables(mounts)}

    def needs(self, need: Need) -> bool:
        """Return whether the job has this need."""
        return need in self.job.needs


def schedule_job(
    declaration: Declaration,
    scope: Scope,
    job: Job,
    options: JobOptions,
    place: Place,
    schedule: str | None = None,
) -> ScheduledJob:
    """Return *job* of the service *scope*.

    Args:
        declaration: The declaration.
        scope: The service and environment.
        job: The job.
        options: Options of the job.
        place: Where it runs.
        schedule: Its times in the fields of cron; None for those of the job.

    Raises:
        ConfigurationError: If an argument is wrong, the service does not run there, the
            environment has no address, or the job needs what the service does not have.

    """
    job.check_options(options)
    _check_values(options, place)
    service = service_settings(declaration, scope)
    if Need.AUDIT_KEY in job.needs:
        options = _keep_as_declared(declaration, scope, job, options)
    if Need.DATABASE in job.needs and declaration.service(scope.service).database is None:
        raise ConfigurationError(
            f"the job {job.name} needs a database, and {scope.service} has none; declare it in "
            f"services/{scope.service}.yaml"
        )
    times = Schedule.parse(job.schedule if schedule is None else schedule)
    rotator = declaration.environment(scope.environment).jobs.rotator
    login = rotator.jwt if rotator is not None else None
    return ScheduledJob(job, service, times, options, place, login)


def _keep_as_declared(
    declaration: Declaration, scope: Scope, job: Job, options: JobOptions
) -> JobOptions:
    """Return *options* with the declared days if none are given.

    Raises:
        ConfigurationError: If the service has no key for logs.

    """
    if declaration.audit_key(scope.service) is None:
        raise ConfigurationError(
            f"the job {job.name} needs a key {AUDIT_KEY!r} with which {scope.service} may only "
            f"encrypt; declare it in services/{scope.service}.yaml"
        )
    declared = declaration.environment(scope.environment).vault.audit_keep
    return replace(options, keep=options.keep or whole_days(declared))


def _check_values(options: JobOptions, place: Place) -> None:
    for recipient in options.recipient:
        _check_recipient(recipient)
    if options.reload is not None:
        parse_command(options.reload)
    paths = (options.folder, options.repository, *options.audit_log)
    for path in (*paths, place.program, place.cacert):
        _check_path(path)


def _check_recipient(recipient: str) -> None:
    # The message does not contain it, because a private key would be in a log then.
    if _PRIVATE_KEY in recipient.upper():
        raise ConfigurationError(
            "--recipient is a private key; pass the public key, which begins with age1, and "
            "replace the private one: it may be in your shell's history now"
        )
    if not _RECIPIENT.fullmatch(recipient):
        raise ConfigurationError(
            f"--recipient {recipient!r} is not a public key of age; pass one, which is age1 and 58 "
            "more characters"
        )


def _check_path(path: Path | None) -> None:
    if path is None:
        return
    printable(path)
    if not path.is_absolute() or ".." in path.parts:
        raise ConfigurationError(
            f"{path} is no absolute path without '..'; write the path where the job runs"
        )
    if path == Path(path.anchor):
        raise ConfigurationError(f"{path} is the root of the file system; name a path in it")
