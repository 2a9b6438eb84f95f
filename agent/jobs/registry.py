"""Jobs that a service or an environment can have. Another one is another entry here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.jobs.definition import Job, Need

#: Name of a job → the job.
JOBS: Final[Mapping[str, Job]] = {
    job.name: job
    for job in (
        Job(
            name="audit-archive",
            description="Archive of audit logs with the key of",
            command=("audit", "archive"),
            schedule="15 0 * * *",
            timeout=3600,
            needs=frozenset(
                {Need.CREDENTIAL, Need.FOLDER, Need.SERVER, Need.AUDIT_KEY, Need.NETWORK}
            ),
            passes=("folder", "reload", "audit_log", "recipient", "keep"),
        ),
        Job(
            name="audit-anomalies",
            description="Anomalies in the audit log of",
            command=("audit", "anomalies"),
            # Shortly before the archive takes the log away, so that little of it is never read.
            schedule="10 * * * *",
            timeout=1800,
            needs=frozenset({Need.REPOSITORY, Need.LOGS, Need.STATE, Need.METRICS}),
            passes=("audit_log", "metrics"),
            has_service=False,
        ),
        Job(
            name="audit-devices",
            description="Comparison of the audit devices of",
            command=("audit", "devices"),
            # A full disk stops every request, so that minutes count.
            schedule="* * * * *",
            timeout=60,
            needs=frozenset({Need.AUDITOR, Need.REPOSITORY, Need.LOGS, Need.METRICS, Need.NETWORK}),
            passes=("audit_log", "metrics"),
            has_service=False,
        ),
        Job(
            name="backup-database",
            description="Backup of the database of",
            command=("backup-database",),
            schedule="30 2 * * *",
            timeout=4 * 3600,
            needs=frozenset({Need.CREDENTIAL, Need.DATABASE, Need.FOLDER, Need.NETWORK}),
            passes=("folder", "recipient", "keep"),
        ),
        Job(
            name="ledger",
            description="Ledger of",
            command=("ledger",),
            schedule="0 * * * *",
            timeout=1800,
            needs=frozenset({Need.AUDITOR, Need.REPOSITORY, Need.METRICS, Need.NETWORK}),
            passes=("audit_log", "store", "metrics"),
            takes=("user",),
            has_service=False,
        ),
        Job(
            name="rotate-due",
            description="Rotation of what is due of",
            command=("rotate", "--due"),
            # Each run continues the rotations that wait, too.
            schedule="0 * * * *",
            timeout=3600,
            needs=frozenset({Need.ROTATOR, Need.REPOSITORY, Need.NETWORK}),
            passes=("audit_log", "store", "prometheus"),
        ),
    )
}
