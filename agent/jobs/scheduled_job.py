"""A job of a service or an environment, with all that the files of a target contain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.file_templates import printable
from agent.jobs.age_recipient import check_recipient
from agent.jobs.definition import PROGRAM, Job, JobOptions, Need
from agent.jobs.schedule import Schedule
from agent.targets.settings import ServiceSettings, declared_addresses, service_settings
from app_integration.errors import ConfigurationError
from app_integration.mounts import DEFAULT_MOUNTS, mount_variables
from app_integration.names import Environment, Scope
from vault.audit.archive.reload import parse_command
from vault.declare.declaration import AUDIT_KEY, Declaration
from vault.declare.durations import whole_days
from vault.declare.schema.logins import Jobs, JwtLogin

#: Folder of the folders that systemd makes for the state of units.
_STATES: Final = Path("/var/lib")


@dataclass(frozen=True, slots=True)
class Place:
    """Place where a job runs, which the declaration does not know."""

    program: Path = PROGRAM
    cacert: Path | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """A job of a service or an environment, at its times and its place."""

    job: Job
    environment: Environment
    addresses: tuple[str, ...]
    service: ServiceSettings | None
    schedule: Schedule
    options: JobOptions
    place: Place
    login: JwtLogin | None = None

    @property
    def name(self) -> str:
        """Return the name of its unit."""
        subject = self.service.scope.service if self.service is not None else self.environment
        return f"strongroom-{subject}-{self.job.name}"

    @property
    def description(self) -> str:
        """Return one phrase about it."""
        if self.service is None:
            return f"{self.job.description} {self.environment}"
        return f"{self.job.description} {self.service.scope.service} in {self.environment}"

    @property
    def command(self) -> list[str]:
        """Return the command that it runs."""
        subject = self.service.scope if self.service is not None else self.environment
        words = [str(self.place.program), *self.job.arguments(subject, self.options)]
        return [*words, "--store", str(_STATES / self.name)] if self.needs(Need.STATE) else words

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables that are the same everywhere, without those of its login's files.

        A job of an environment has none, because it reads the declaration.
        """
        service = self.service
        if service is None:
            return {}
        mounts = service.mounts
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
    subject: Scope | Environment,
    job: Job,
    options: JobOptions,
    place: Place,
    schedule: str | None = None,
) -> ScheduledJob:
    """Return *job* of *subject*."""
    job.check_options(options)
    _check_values(options, place)
    times = Schedule.parse(job.schedule if schedule is None else schedule)
    service = None
    if isinstance(subject, Scope):
        service = service_settings(declaration, subject)
        options = _complete_options(declaration, subject, job, options)
    environment = subject.environment if isinstance(subject, Scope) else subject
    addresses = declared_addresses(declaration, environment)
    login = _find_login(declaration.environment(environment).jobs, job)
    return ScheduledJob(job, environment, addresses, service, times, options, place, login)


def _find_login(declared: Jobs, job: Job) -> JwtLogin | None:
    """Return the declared login of the job's role beside its AppRole."""
    found = getattr(declared, job.role) if job.role is not None else None
    return found.jwt if found is not None else None


def _complete_options(
    declaration: Declaration, scope: Scope, job: Job, options: JobOptions
) -> JobOptions:
    """Return *options* with what the declaration adds to them."""
    if Need.DATABASE in job.needs:
        _check_database(declaration, scope, job)
    if Need.AUDIT_KEY not in job.needs:
        return options
    return _keep_as_declared(declaration, scope, job, options)


def _check_database(declaration: Declaration, scope: Scope, job: Job) -> None:
    """Raise an error if the service has no database of its own, for which the job has rights."""
    owner = declaration.database_owner(scope).service
    if owner != scope.service:
        raise ConfigurationError(
            f"the job {job.name} needs a database, and {scope.service} uses that of {owner}; "
            f"schedule it for {owner}"
        )
    if declaration.service(scope.service).database is None:
        raise ConfigurationError(
            f"the job {job.name} needs a database, and {scope.service} has none; declare it in "
            f"services/{scope.service}.yaml"
        )


def _keep_as_declared(
    declaration: Declaration, scope: Scope, job: Job, options: JobOptions
) -> JobOptions:
    """Return *options* with the declared days if none are given."""
    if declaration.audit_key(scope.service) is None:
        raise ConfigurationError(
            f"the job {job.name} needs a key {AUDIT_KEY!r} with which {scope.service} may only "
            f"encrypt; declare it in services/{scope.service}.yaml"
        )
    declared = declaration.environment(scope.environment).vault.audit_keep
    return replace(options, keep=options.keep or whole_days(declared))


def _check_values(options: JobOptions, place: Place) -> None:
    for recipient in options.recipient:
        check_recipient(recipient)
    if options.reload is not None:
        parse_command(options.reload)
    if options.metrics is not None and options.metrics.suffix != ".prom":
        raise ConfigurationError(
            f"--metrics {options.metrics} does not end in .prom, and the node exporter ignores it;"
            " rename it"
        )
    _check_path(options.metrics.parent if options.metrics is not None else None)
    for path in (*options.paths, place.program, place.cacert):
        _check_path(path)


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
