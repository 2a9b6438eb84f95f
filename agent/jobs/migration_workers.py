"""Workers of a migration on other machines: a Job of Kubernetes, or a service of compose."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.file_templates import render
from agent.jobs import kubernetes
from agent.jobs.definition import Job, JobOptions, Need
from agent.jobs.scheduled_job import Place, ScheduledJob, schedule_job
from agent.quoting import quote_compose, required_variable
from agent.targets.compose import MountedFile
from agent.targets.kubernetes import USER
from app_integration.errors import ConfigurationError
from app_integration.names import Scope
from vault.declare.declaration import Declaration

#: Plan's file, among those that are built and in a container.
PLAN: Final = kubernetes.PLAN.name
_SECRETS: Final = Path("/run/secrets")
#: A worker ends when no pass has run for this time, so that it joins the next one, too.
_IDLE: Final = "1h"


def schedule_workers(
    declaration: Declaration, scope: Scope, place: Place, role: str | None
) -> ScheduledJob:
    """Return the worker of *scope*'s migration as a job. Its times do not count."""
    words = ("migrate", "work", str(kubernetes.PLAN), "--idle", _IDLE)
    job = Job(
        name="migrate-work",
        description="Workers of a migration of",
        command=(*words, "--role", role) if role is not None else words,
        schedule="0 0 * * *",
        timeout=0,
        needs=frozenset({Need.CREDENTIAL, Need.DATABASE, Need.PLAN, Need.NETWORK}),
    )
    return schedule_job(declaration, scope, job, JobOptions(), place)


def build_kubernetes(scheduled: ScheduledJob, plan: str, workers: int) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    return {PLAN: plan, **kubernetes.build(scheduled, workers)}


def build_compose(scheduled: ScheduledJob, plan: str, workers: int) -> dict[str, str]:
    """Return the text of each file. See :func:`build_kubernetes`."""
    place, service = scheduled.place, scheduled.service
    if service is None or not service.needs_secret_id:
        raise ConfigurationError(
            "a worker in compose logs in by AppRole, and the environment's agent.login is another;"
            " build it for kubernetes, or run strongroom migrate work with the service's variables"
        )
    name, secrets, variables = service.scope.service, [], dict(scheduled.variables)
    for word, variable, target, meaning in (
        ("role-id", "STRONGROOM_ROLE_ID_FILE", _SECRETS / "role-id", "the file with the role-id"),
        (
            "secret-id",
            "STRONGROOM_SECRET_ID_FILE",
            _SECRETS / "secret-id",
            "the one with secret-id",
        ),
        ("ca", "VAULT_CACERT", place.cacert, "the PEM file with the CA of the server"),
    ):
        if target is not None:
            source = required_variable(name, f"{word}_FILE", meaning)
            secrets.append(MountedFile(f"{scheduled.name}-{word}", source, target))
            variables[variable] = str(target)
    values: dict[str, object] = {
        "name": scheduled.name,
        "description": scheduled.description,
        "image": place.image,
        "user": USER,
        "command": scheduled.command,
        "variables": {**variables, "HOME": "/tmp"},  # noqa: S108 (that of the container)
        "workers": workers,
        "plan": required_variable(name, "PLAN", f"the path of {PLAN} beside this file"),
        "target": kubernetes.PLAN,
        "secrets": secrets,
    }
    text = render("jobs/compose/compose.yaml.j2", quote_compose, values)
    return {PLAN: plan, "compose.yaml": text}
