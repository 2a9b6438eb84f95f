"""Jobs of a declared service, and the options that a job takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from agent.jobs.job import Job, JobOptions
from agent.jobs.scheduled_job import Place, ScheduledJob, schedule_job
from app_integration.errors import ConfigurationError
from tests.support.models import pods
from tests.support.models.jobs import BACKUP, FOLDER, RECIPIENT, ROTATE, TIDY
from tests.support.servers.issuer import Authority
from vault.declare.declaration import Declaration
from vault.declare.schema.logins import JobLogin, Jobs, JwtLogin

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
    "options",
    [
        {"folder": FOLDER},
        {"recipient": (RECIPIENT,)},
        {"keep": 1},
        {"repository": FOLDER},
        {"audit_log": (FOLDER,)},
        {"prometheus": "http://prometheus"},
    ],
    ids=str,
)
def test_option_that_a_job_does_not_take_is_rejected(
    declaration: Declaration, options: dict[str, Any]
) -> None:
    (name,) = options
    option = name.replace("_", "-")
    with pytest.raises(ConfigurationError, match=f"the job tidy takes no --{option}; remove it"):
        schedule(declaration, TIDY, **options)


def test_rotation_without_a_repository_is_rejected(declaration: Declaration) -> None:
    with pytest.raises(ConfigurationError, match="name its folder with --repository"):
        schedule(declaration, ROTATE)


def test_rotation_has_the_declared_login_of_the_rotator(declaration: Declaration) -> None:
    assert schedule(declaration, ROTATE, repository=FOLDER).rotator is None
    environment = declaration.environments[pods.SCOPE.environment]
    login = JwtLogin(audience="vault", subject="system:serviceaccount:ops:rotator")
    changed = environment.model_copy(update={"jobs": Jobs(rotator=JobLogin(jwt=login))})
    environments = {**declaration.environments, pods.SCOPE.environment: changed}
    declaration = replace(declaration, environments=environments)
    assert schedule(declaration, ROTATE, repository=FOLDER).rotator == login
