"""Jobs of a declared service, and the options that a job takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from agent.jobs.job import Job, JobOptions
from agent.jobs.scheduled_job import Place, ScheduledJob, schedule_job
from app_integration.errors import ConfigurationError
from tests.support.models import pods
from tests.support.models.jobs import BACKUP, FOLDER, RECIPIENT, TIDY
from tests.support.servers.issuer import Authority
from vault.declare.declaration import Declaration

PEM: Final = Authority().pem


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return pods.declare_pod(tmp_path / "declared", PEM)


def schedule(declaration: Declaration, job: Job, **options: Any) -> ScheduledJob:
    return schedule_job(declaration, pods.SCOPE, job, JobOptions(**options), Place())


def test_job_without_a_given_schedule_has_its_own(declaration: Declaration) -> None:
    found = schedule(declaration, TIDY)
    assert found.schedule.cron == TIDY.schedule
    assert found.command == ["/usr/local/bin/strongroom", "tidy", "parcels"]


def test_job_that_needs_a_database_is_rejected_without_one(declaration: Declaration) -> None:
    with pytest.raises(ConfigurationError, match=r"parcels has none; declare it in services/par"):
        schedule(declaration, BACKUP, folder=FOLDER)


@pytest.mark.parametrize(
    "options", [{"folder": FOLDER}, {"recipient": (RECIPIENT,)}, {"keep": 1}], ids=str
)
def test_option_that_a_job_does_not_take_is_rejected(
    declaration: Declaration, options: dict[str, Any]
) -> None:
    (name,) = options
    with pytest.raises(ConfigurationError, match=f"the job tidy takes no --{name}; remove it"):
        schedule(declaration, TIDY, **options)
