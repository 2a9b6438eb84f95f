"""Units of systemd: a service that runs once, and its timer.

What the job logs in with is in files of root, which systemd copies to a folder of the unit at each
start. The deployer replaces them, and restarts nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent.auto_auth import AppRoleAutoAuth, CertificateAutoAuth, auto_auth_from_declaration
from agent.file_templates import render
from agent.jobs.definition import Need
from agent.jobs.scheduled_job import ScheduledJob
from agent.quoting import escape_line, quote_command, quote_word
from agent.targets.systemd import account
from app_integration.errors import ConfigurationError

#: Unit that starts for each job that failed.
FAILED: Final = "strongroom-job-failed@.service"
_CREDENTIALS: Final = Path("/etc/strongroom")
#: Group that may write the folder of the metrics.
_METRICS_GROUP: Final = "strongroom-metrics"
_USER: Final = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
#: Folders that the unit does not see, or sees as one of its own that is removed after each run.
_HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Credential:
    """File that systemd copies for the unit."""

    name: str
    source: Path
    variable: str


def build(scheduled: ScheduledJob) -> dict[str, str]:
    """Return the text of each file, by its path in the built folder."""
    _check(scheduled)
    values = _values(scheduled)
    files = {
        f"{scheduled.name}.service": "job.service.j2",
        f"{scheduled.name}.timer": "job.timer.j2",
    }
    if values["reports_failure"]:
        files[FAILED] = "failed.service.j2"
    if scheduled.options.user is None or scheduled.needs(Need.METRICS):
        files[f"{scheduled.name}.sysusers.conf"] = "sysusers.conf.j2"
    if _own_folder(scheduled) is not None:
        files[f"{scheduled.name}.tmpfiles.conf"] = "tmpfiles.conf.j2"
    return {name: render(f"jobs/systemd/{file}", str, values) for name, file in files.items()}


def _values(scheduled: ScheduledJob) -> dict[str, Any]:
    """Return the variables of the templates."""
    credentials = [
        {"name": each.name, "source": escape_line(each.source), "variable": each.variable}
        for each in _credentials(scheduled)
    ]
    options, variables = scheduled.options, scheduled.variables.items()
    repository, folder = options.repository, _own_folder(scheduled)
    is_frequent, has_metrics = scheduled.schedule.is_frequent, scheduled.needs(Need.METRICS)
    return {
        "unit": scheduled.name,
        "description": scheduled.description,
        "user": options.user or account(scheduled.name),
        "has_own_user": options.user is None,
        "group": _METRICS_GROUP if has_metrics else None,
        "state": scheduled.name if scheduled.needs(Need.STATE) else None,
        "credentials": credentials,
        "variables": [quote_word(f"{name}={value}") for name, value in variables],
        "command": quote_command(scheduled.command),
        "repository": escape_line(repository) if repository is not None else None,
        "folder": quote_word(folder) if folder is not None else None,
        "folders": [quote_word(folder) for folder in _written(scheduled)],
        "network": scheduled.needs(Need.NETWORK),
        "timeout": scheduled.job.timeout,
        "calendar": scheduled.schedule.calendar,
        "is_frequent": is_frequent,
        # Otherwise there would be a report each minute. The age of the metrics shows it, too.
        "reports_failure": not (has_metrics and is_frequent),
    }


def _own_folder(scheduled: ScheduledJob) -> Path | None:
    """Return the folder that belongs to the job's user, None if it has none."""
    return scheduled.options.folder or scheduled.options.store


def _written(scheduled: ScheduledJob) -> list[Path]:
    """Return the folders that the job may write."""
    options, folder = scheduled.options, _own_folder(scheduled)
    found = [folder] if folder is not None else []
    if scheduled.needs(Need.SERVER):
        found += [path.parent for path in options.audit_log]
    if options.metrics is not None:
        found.append(options.metrics.parent)
    return [*dict.fromkeys(found)]


def _credentials(scheduled: ScheduledJob) -> list[Credential]:
    """Return what the job logs in with, and the server's CA."""
    service, cacert = scheduled.service, scheduled.place.cacert
    found = [Credential("ca", cacert, "VAULT_CACERT")] if cacert else []
    if scheduled.job.role is not None:
        own = _CREDENTIALS / f"strongroom-{scheduled.job.role}"
        found += [
            Credential("role-id", own / "role-id", "STRONGROOM_OPERATOR_ROLE_ID_FILE"),
            Credential("secret-id", own / "secret-id", "STRONGROOM_OPERATOR_SECRET_ID_FILE"),
        ]
    if service is None or not scheduled.needs(Need.CREDENTIAL):
        return found
    folder = _CREDENTIALS / service.scope.service
    approle = AppRoleAutoAuth(folder / "role-id", folder / "secret-id", is_wrapped=False)
    login = auto_auth_from_declaration(service.agent, approle)
    if isinstance(login, AppRoleAutoAuth):
        found += [
            Credential("role-id", login.role_id_file, "STRONGROOM_ROLE_ID_FILE"),
            Credential("secret-id", login.secret_id_file, "STRONGROOM_SECRET_ID_FILE"),
        ]
    elif isinstance(login, CertificateAutoAuth):
        found += [
            Credential("certificate", login.certificate_file, "VAULT_CLIENT_CERT"),
            Credential("key", login.key_file, "VAULT_CLIENT_KEY"),
        ]
    elif service.agent.token_file is not None:
        token = Path(service.agent.token_file)
        found.append(Credential("token", token, "STRONGROOM_JWT_FILE"))
    return found


def _check(scheduled: ScheduledJob) -> None:
    """Check that the unit can use what the operator named."""
    if scheduled.place.image is not None:
        raise ConfigurationError("systemd runs no image; remove --image")
    options = scheduled.options
    if options.user is not None and not _USER.fullmatch(options.user):
        raise ConfigurationError(f"--user {options.user!r} is no name of a user; pass the server's")
    if scheduled.needs(Need.METRICS) and options.metrics is None:
        raise ConfigurationError(
            f"the job {scheduled.job.name} writes metrics for the node exporter; name their file "
            "with --metrics, as it is where the job runs"
        )
    for path in (*options.paths, scheduled.place.program):
        if any(path.is_relative_to(folder) for folder in _HIDDEN):
            raise ConfigurationError(
                f"{path} is in a home folder or a temporary one, which the unit does not see; use "
                "another, such as /var/backups or /usr/local"
            )
