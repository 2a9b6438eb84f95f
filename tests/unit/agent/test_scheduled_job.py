"""Jobs of a declared service, and the options that a job takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from agent.jobs.definition import Job, JobOptions
from agent.jobs.scheduled_job import Place, ScheduledJob, schedule_job
from app_integration.errors import ConfigurationError
from tests.support.models import pods
from tests.support.models.jobs import ARCHIVE, ARCHIVING, BACKUP, FOLDER, RECIPIENT, ROTATE, TIDY
from tests.support.servers.issuer import Authority
from vault.declare.declaration import Declaration
from vault.declare.schema.database import SharedDatabase
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
    command = "/usr/local/bin/strongroom tidy --service parcels --env staging"
    assert found.command == command.split()


def test_job_that_needs_a_database_is_rejected_without_one(declaration: Declaration) -> None:
    with pytest.raises(ConfigurationError, match=r"parcels has none; declare it in services/par"):
        schedule(declaration, BACKUP, folder=FOLDER)


def test_job_that_needs_a_database_is_rejected_for_that_of_another_service(
    declaration: Declaration,
) -> None:
    shared = SharedDatabase.model_validate(
        {"of": "orders", "roles": {"readonly": {"ttl": "1h", "max_ttl": "24h"}}}
    )
    service = declaration.service("parcels").model_copy(update={"database": shared})
    services = {"parcels": service, "orders": declaration.service("parcels")}
    declaration = replace(declaration, services=services)
    with pytest.raises(ConfigurationError, match=r"parcels uses that of orders; schedule it for"):
        schedule(declaration, BACKUP, folder=FOLDER)


@pytest.mark.parametrize(
    "options",
    [
        {"folder": FOLDER},
        {"recipient": (RECIPIENT,)},
        {"keep": 1},
        {"repository": FOLDER},
        {"audit_log": (FOLDER,)},
        {"store": FOLDER},
        {"prometheus": "http://prometheus"},
        {"reload": "true"},
        {"user": "openbao"},
        {"metrics": FOLDER / "strongroom.prom"},
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


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (
            "audit_log",
            "renames the server's audit logs; name each with --audit-log, as",
        ),
        ("reload", "pass the command with --reload"),
        ("user", "runs as the server's user; name it with --user"),
        ("folder", "writes to a folder; name it with --folder"),
    ],
)
def test_archive_without_what_it_needs_is_rejected(
    declaration: Declaration, missing: str, message: str
) -> None:
    empty: Any = () if missing == "audit_log" else None
    options = replace(ARCHIVING, **{missing: empty})
    with pytest.raises(ConfigurationError, match=message):
        schedule_job(declaration, pods.SCOPE, ARCHIVE, options, Place())


def test_archive_of_a_service_without_an_audit_key_is_rejected(declaration: Declaration) -> None:
    with pytest.raises(ConfigurationError, match="needs a key 'audit' with which parcels may only"):
        schedule_job(declaration, pods.SCOPE, ARCHIVE, ARCHIVING, Place())


@pytest.fixture
def archived(tmp_path: Path) -> Declaration:
    """Return a declaration whose service has a key with which it may only encrypt."""
    keys = {"audit": {"allow": ["encrypt"]}}
    return pods.declare_pod(tmp_path / "archived", PEM, keys=keys)


@pytest.mark.parametrize(
    ("declared", "given", "expected"),
    [
        ({}, None, "90"),
        ({"audit_keep": 31 * 86_400 + 1}, None, "32"),
        ({"audit_keep": 86_400}, 7, "7"),
    ],
)
def test_archive_keeps_segments_for_the_declared_days(
    archived: Declaration, declared: dict[str, int], given: int | None, expected: str
) -> None:
    environment = archived.environments[pods.SCOPE.environment]
    vault = environment.vault.model_copy(update=declared)
    changed = environment.model_copy(update={"vault": vault})
    environments = {**archived.environments, pods.SCOPE.environment: changed}
    declaration = replace(archived, environments=environments)
    options = replace(ARCHIVING, keep=given)
    found = schedule_job(declaration, pods.SCOPE, ARCHIVE, options, Place())
    assert found.command[-2:] == ["--keep", expected]


def test_archive_with_a_command_that_is_no_words_is_rejected(archived: Declaration) -> None:
    with pytest.raises(ConfigurationError, match="No closing quotation"):
        schedule_job(archived, pods.SCOPE, ARCHIVE, replace(ARCHIVING, reload="'"), Place())


def test_rotation_has_the_declared_login_of_the_rotator(declaration: Declaration) -> None:
    assert schedule(declaration, ROTATE, repository=FOLDER).login is None
    environment = declaration.environments[pods.SCOPE.environment]
    login = JwtLogin(audience="vault", subject="system:serviceaccount:ops:rotator")
    changed = environment.model_copy(update={"jobs": Jobs(rotator=JobLogin(jwt=login))})
    environments = {**declaration.environments, pods.SCOPE.environment: changed}
    declaration = replace(declaration, environments=environments)
    assert schedule(declaration, ROTATE, repository=FOLDER).login == login
