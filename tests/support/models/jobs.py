"""Jobs that are scheduled for a service, with and without needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from agent.jobs.definition import Job, JobOptions
from agent.jobs.registry import JOBS
from agent.jobs.schedule import Schedule
from agent.jobs.scheduled_job import Place, ScheduledJob
from agent.targets.settings import ServiceSettings

BACKUP: Final = JOBS["backup-database"]
#: Another job, which needs nothing.
TIDY: Final = Job(
    name="tidy",
    description="Tidying of",
    command=("tidy",),
    schedule="0 4 * * 0",
    timeout=60,
    needs=frozenset(),
)
ROTATE: Final = JOBS["rotate-due"]
ARCHIVE: Final = JOBS["audit-archive"]
#: Options of the archive.
ARCHIVING: Final = JobOptions(
    folder=Path("/var/backups/audit"),
    keep=90,
    audit_log=(Path("/var/log/openbao/audit-1.log"), Path("/srv/a b/audit-2.log")),
    reload="pkill -HUP -u openbao -x bao",
    user="openbao",
)
#: Options of the rotation with metrics.
ROTATION: Final = JobOptions(
    repository=Path("/srv/deployment"), prometheus="http://10.0.0.9:9090/prometheus"
)
ANOMALIES: Final = JOBS["audit-anomalies"]
DEVICES: Final = JOBS["audit-devices"]
LEDGER: Final = JOBS["ledger"]
#: Jobs of an environment, which write metrics.
METRICS: Final = (ANOMALIES, DEVICES, LEDGER)
#: Options of the jobs that read the server's logs and write metrics.
WATCHING: Final = JobOptions(
    repository=Path("/srv/deployment"),
    audit_log=ARCHIVING.audit_log,
    user="openbao",
    metrics=Path("/var/lib/node exporter/textfile/strongroom.prom"),
)
FOLDER: Final = Path("/var/backups/store")
RECIPIENT: Final = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


def scheduled(
    service: ServiceSettings,
    job: Job = BACKUP,
    cron: str = "30 2 * * *",
    *,
    folder: Path = FOLDER,
    recipient: tuple[str, ...] = (),
    keep: int | None = None,
    **place: Any,
) -> ScheduledJob:
    """Return *job* of *service*, as the command schedules it."""
    given = {
        ARCHIVE.name: ARCHIVING,
        BACKUP.name: JobOptions(folder, recipient, keep),
        ROTATE.name: ROTATION,
        **dict.fromkeys((ANOMALIES.name, DEVICES.name), WATCHING),
        LEDGER.name: replace(WATCHING, audit_log=(), user=None),
    }
    options = given.get(job.name, JobOptions())
    return ScheduledJob(
        job,
        service.scope.environment,
        service.addresses,
        service if job.has_service else None,
        Schedule.parse(cron),
        options,
        Place(**place),
    )
