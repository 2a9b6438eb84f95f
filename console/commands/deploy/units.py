"""Command ``units``: the files that run a recurring job at its times."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from agent.jobs.builders import BUILDERS
from agent.jobs.definition import PROGRAM, Job, JobOptions
from agent.jobs.registry import JOBS
from agent.jobs.scheduled_job import Place, schedule_job
from app_integration import names
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from console.options import Env, Prometheus, Recipients, build_keep_option
from console.target.checkout import current_checkout
from console.views.output_files import BuildFolder, write_files

JobName = StrEnum("JobName", {name: name for name in JOBS})  # type: ignore[misc] # the names are those of JOBS


class Runner(StrEnum):
    """Names of :data:`BUILDERS`, which load all that a job needs."""

    KUBERNETES = "kubernetes"
    SYSTEMD = "systemd"


JobService = Annotated[
    str | None,
    typer.Option("--service", help="the service, if the job has one: backup-database"),
]
Schedule = Annotated[
    str | None,
    typer.Option("--schedule", help="five fields of cron, in UTC; the job's own by default"),
]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="folder there, that the job writes to")
]
Keep = Annotated[
    int | None,
    build_keep_option("days for which the job keeps what it writes"),
]
Repository = Annotated[
    Path | None, typer.Option("--repository", help="the deployment's repository there")
]
AuditLog = Annotated[
    list[Path] | None,
    typer.Option("--audit-log", help="a file there of the server's audit device; may be repeated"),
]

ReloadCommand = Annotated[
    str | None, typer.Option("--reload", help="command there, after which logs are reopened")
]
Store = Annotated[
    Path | None, typer.Option("--store", help="folder there, of the store of audit lines")
]
User = Annotated[str | None, typer.Option("--user", help="the user there, such as the server's")]
MetricsThere = Annotated[
    Path | None, typer.Option("--metrics", help="a .prom file there, for the node exporter")
]
Image = Annotated[
    str | None, typer.Option("--image", help="for kubernetes: an image that has the tool")
]
Cacert = Annotated[Path | None, typer.Option("--cacert", help="PEM file there, of the server's CA")]


def units(
    job: Annotated[JobName, typer.Option("--job", help="the job")],
    runner: Annotated[Runner, typer.Option("--for", help="what runs the job there")],
    env: Env,
    out: BuildFolder,
    service: JobService = None,
    schedule: Schedule = None,
    folder: Folder = None,
    recipient: Recipients = None,
    keep: Keep = None,
    repository: Repository = None,
    audit_log: AuditLog = None,
    store: Store = None,
    prometheus: Prometheus = None,
    reload: ReloadCommand = None,
    user: User = None,
    metrics: MetricsThere = None,
    program: Annotated[Path, typer.Option("--program", help="the tool there")] = PROGRAM,
    image: Image = None,
    cacert: Cacert = None,
) -> None:
    """Write the timers of systemd, or the CronJobs, that run a recurring job.

    The files contain no secret. "There" is where the job runs.
    """
    environment = names.parse_environment(env)
    subject = _read_subject(JOBS[job], service, environment)
    if environment.is_dev:
        raise ConfigurationError("the servers of dev run on this machine; run its jobs by hand")
    recipients, logs = tuple(recipient or ()), tuple(audit_log or ())
    options = JobOptions(
        *(folder, recipients, keep, repository, logs, store, prometheus, reload, user),
        metrics=metrics,
    )
    place, declaration = Place(program, cacert, image), current_checkout().declaration
    scheduled = schedule_job(declaration, subject, JOBS[job], options, place, schedule)
    write_files(out, BUILDERS[runner](scheduled))


def _read_subject(job: Job, service: str | None, environment: Environment) -> Scope | Environment:
    """Return what the job is of: a service in its environment, or the environment."""
    if not job.has_service and service is not None:
        raise typer.BadParameter(f"the job {job.name} is of the environment; remove --service")
    if not job.has_service:
        return environment
    if service is None:
        raise typer.BadParameter(f"the job {job.name} is of one service; name it with --service")
    return Scope(service, environment)
