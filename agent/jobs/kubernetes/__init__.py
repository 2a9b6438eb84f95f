"""Manifests of Kubernetes: a component of Kustomize with a CronJob.

The job logs in with the token of its pod's service account, which Kubernetes writes for each run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent.file_templates import render
from agent.jobs.definition import Need
from agent.jobs.scheduled_job import ScheduledJob
from agent.quoting import escape_word, quote_manifest, shorten
from agent.targets.kubernetes import USER
from agent.targets.kubernetes.pod_access import login_files, network_policy
from agent.targets.kubernetes.pod_login import PodLogin, job_login, pod_login
from app_integration._internal.server_urls import port_of
from app_integration.errors import ConfigurationError
from vault.declare.schema.field_types import Endpoint

#: Label of the job's pods. It is not that of the application, whose policies are for other pods.
LABEL: Final = "strongroom/job"
_MAX_NAME: Final = 52  # characters of a CronJob's name, because its jobs get 11 more
#: Plan of a migration in a pod.
PLAN: Final = Path("/etc/strongroom-migration/plan.yaml")
_TEMPORARY: Final = Path("/tmp")  # noqa: S108 (a volume of its own)


def build(scheduled: ScheduledJob, workers: int | None = None) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder.

    With *workers*, so many pods run at once, until the first one ends by itself.
    """
    _check_reach(scheduled)
    login = _login(scheduled)
    _check(scheduled, login)
    file = "cron-job.yaml" if workers is None else "job.yaml"
    values = {**_values(scheduled, login), "workers": workers, "file": file}
    files = {
        name: render(f"jobs/kubernetes/{name}.j2", quote_manifest, values)
        for name in ("kustomization.yaml", file)
    }
    if login is not None:
        files |= login_files(_role(scheduled), login)
    if scheduled.needs(Need.NETWORK):
        files["network-policy.yaml"] = _network_policy(scheduled)
    return files


def _login(scheduled: ScheduledJob) -> PodLogin | None:
    service = scheduled.service
    if scheduled.job.role is not None:
        return job_login(scheduled.job.role, scheduled.login, scheduled.environment)
    return pod_login(service) if service and scheduled.needs(Need.CREDENTIAL) else None


def _role(scheduled: ScheduledJob) -> str:
    """Return the name of the role that the job logs in as."""
    role, service = scheduled.job.role, scheduled.service
    return f"strongroom-{role}" if service is None or role is not None else str(service.scope)


def _name(scheduled: ScheduledJob) -> str:
    return shorten(scheduled.name, _MAX_NAME)


def _values(scheduled: ScheduledJob, login: PodLogin | None) -> dict[str, Any]:
    """Return the variables of the templates."""
    place = scheduled.place
    folder = scheduled.options.folder if scheduled.needs(Need.FOLDER) else None
    variables = {**scheduled.variables, "HOME": _TEMPORARY}
    if login is not None:
        is_operator = scheduled.job.role is not None
        variable = "STRONGROOM_OPERATOR_JWT_FILE" if is_operator else "STRONGROOM_JWT_FILE"
        variables[variable] = login.token_file
    if place.cacert is not None:
        variables["VAULT_CACERT"] = place.cacert
    return {
        "name": _name(scheduled),
        "label": LABEL,
        "description": scheduled.description,
        "schedule": scheduled.schedule.cron,
        "timeout": scheduled.job.timeout,
        "login": login,
        "user": USER,
        "image": place.image,
        "command": [escape_word(word) for word in scheduled.command],
        "variables": {name: escape_word(str(value)) for name, value in variables.items()},
        "cacert": place.cacert,
        "folder": folder,
        "has_findings": scheduled.needs(Need.METRICS),
        "repository": scheduled.options.repository,
        "plan": PLAN if scheduled.needs(Need.PLAN) else None,
        "temporary": _TEMPORARY,
    }


def _network_policy(scheduled: ScheduledJob) -> str:
    """Return the policy of the job's pods."""
    name, service = _name(scheduled), scheduled.service
    database = service.deployment.database if service and scheduled.needs(Need.DATABASE) else None
    others = [database] if database else []
    if scheduled.options.prometheus is not None:
        url = urlsplit(scheduled.options.prometheus)
        others.append(Endpoint(url.hostname or "", port_of(url)))
    return network_policy(name, (LABEL, name), scheduled.addresses, others)


def _check_reach(scheduled: ScheduledJob) -> None:
    """Check that a pod reaches what the job works on."""
    if scheduled.needs(Need.SERVER):
        raise ConfigurationError(
            f"the job {scheduled.job.name} renames the server's audit logs and signals the server, "
            "which a pod cannot; write it for systemd, on the server's machine"
        )
    if scheduled.needs(Need.LOGS):
        raise ConfigurationError(
            f"the job {scheduled.job.name} reads the server's audit logs, which a pod has not; "
            "write it for systemd, on the server's machine"
        )


def _check_options(scheduled: ScheduledJob) -> None:
    """Check that no option is for a machine."""
    job, options = scheduled.job, scheduled.options
    if options.audit_log or options.store:
        other = ", and pass --prometheus" if "prometheus" in job.passes else ""
        raise ConfigurationError(
            f"a pod has no audit log of the server; leave --audit-log and --store out{other}"
        )
    if options.user is not None:
        raise ConfigurationError(f"the job's container runs as {USER}; leave --user out")
    if options.metrics is not None:
        raise ConfigurationError(
            "no node exporter reads a file of a pod; leave --metrics out, and alert on "
            "kube_job_status_failed, because the job fails if it finds something"
        )


def _check(scheduled: ScheduledJob, login: PodLogin | None) -> None:
    """Check that there is an image, and no option that a pod has no file for.

    No volume may hide another, or the program.
    """
    place = scheduled.place
    if not place.image or place.image.split() != [place.image]:
        raise ConfigurationError(
            "the job's container has no image; name one that has the tool, with --image"
        )
    _check_options(scheduled)
    folders = [_TEMPORARY, scheduled.options.folder, login.token_file.parent if login else None]
    mounts = [path for path in (*folders, place.cacert) if path is not None]
    others = (place.program, scheduled.options.repository)
    paths = [*mounts, *(path for path in others if path is not None)]
    for mount in mounts:
        if ":" in str(mount):
            raise ConfigurationError(
                f"{mount} contains a colon, and a pod has no volume at such a path; name another"
            )
        for path in paths:
            if path is not mount and path.is_relative_to(mount):
                raise ConfigurationError(
                    f"{path} is in {mount}, where the pod has a volume; use another path"
                )
