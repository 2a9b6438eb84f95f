"""Jobs that a service can have. Another one is another entry here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.jobs.job import Job, JobOptions, Need
from app_integration.names import Scope


def _backup_database(scope: Scope, options: JobOptions) -> list[str]:
    words = ["backup-database", "--service", scope.service, "--env", str(scope.environment)]
    words += ["--folder", str(options.folder)]
    for recipient in options.recipient:
        words += ["--recipient", recipient]
    if options.keep is not None:
        words += ["--keep", str(options.keep)]
    return words


def _rotate_due(scope: Scope, options: JobOptions) -> list[str]:
    words = ["rotate", "--due", "--service", scope.service, "--env", str(scope.environment)]
    for path in options.audit_log:
        words += ["--audit-log", str(path)]
    if options.prometheus is not None:
        words += ["--prometheus", options.prometheus]
    return words


def _audit_archive(scope: Scope, options: JobOptions) -> list[str]:
    words = ["audit", "archive", "--service", scope.service, "--env", str(scope.environment)]
    words += ["--folder", str(options.folder), "--reload", str(options.reload)]
    for path in options.audit_log:
        words += ["--audit-log", str(path)]
    for recipient in options.recipient:
        words += ["--recipient", recipient]
    if options.keep is not None:
        words += ["--keep", str(options.keep)]
    return words


#: Name of a job → the job.
JOBS: Final[Mapping[str, Job]] = {
    job.name: job
    for job in (
        Job(
            name="audit-archive",
            description="Archive of audit logs with the key of",
            arguments=_audit_archive,
            # Not more often by default: rotations look for evidence in the log, not in segments.
            schedule="15 0 * * *",
            timeout=3600,
            needs=frozenset(
                {Need.CREDENTIAL, Need.FOLDER, Need.SERVER, Need.AUDIT_KEY, Need.NETWORK}
            ),
            takes=frozenset({"recipient", "keep"}),
        ),
        Job(
            name="backup-database",
            description="Backup of the database of",
            arguments=_backup_database,
            schedule="30 2 * * *",
            timeout=4 * 3600,
            needs=frozenset({Need.CREDENTIAL, Need.DATABASE, Need.FOLDER, Need.NETWORK}),
            takes=frozenset({"recipient", "keep"}),
        ),
        Job(
            name="rotate-due",
            description="Rotation of what is due of",
            arguments=_rotate_due,
            # Each run continues the rotations that wait, too.
            schedule="0 * * * *",
            timeout=3600,
            needs=frozenset({Need.ROTATOR, Need.REPOSITORY, Need.NETWORK}),
            takes=frozenset({"audit_log", "prometheus"}),
        ),
    )
}
