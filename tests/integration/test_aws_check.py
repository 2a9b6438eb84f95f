"""Diagnosis of a service on AWS: the first part that does not work is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app_integration import settings
from app_integration.diagnosis.check import Outcome, run
from app_integration.diagnosis.service import Needs, checks
from app_integration.names import Environment, Scope
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import REGION, set_identity
from tests.support.servers.secret_backends import AwsBackend, AwsSite

NAME = "api-key"


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    set_identity(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_site.proxy.url)
    backend = AwsBackend(Scope("parcels", Environment.DEV), aws_site, tmp_path)
    yield backend
    backend.client.close()


def diagnose(**change: str) -> list[Outcome]:
    variables = {
        "STRONGROOM_SERVICE": "parcels",
        "ENVIRONMENT": "dev",
        "SECRETS_BACKEND": "aws",
        "AWS_REGION": REGION,
        **change,
    }
    return list(run(checks(lambda: settings.from_environment(variables), Needs((NAME,)))))


def test_check_of_a_healthy_service_reads_its_secrets(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    assert diagnose() == [
        Outcome("settings", "parcels-dev"),
        Outcome(f"secret {NAME}", "has a value"),
    ]


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (
            faults.denied("secretsmanager:GetSecretValue", "*"),
            "allow secretsmanager:GetSecretValue",
        ),
        (
            faults.refused("ResourceNotFoundException"),
            "strongroom put api-key --service parcels --env dev",
        ),
        (faults.expired_token(), "an IAM role"),
        (faults.refused("DecryptionFailure"), "enable the KMS key"),
        (faults.failing(), "check the network"),
    ],
)
def test_check_names_what_to_do(backend: AwsBackend, fault: faults.Fault, remedy: str) -> None:
    backend.proxy.faults["GetSecretValue"] = [fault]
    last = diagnose()[-1]
    assert last.name == f"secret {NAME}"
    assert remedy in (last.remedy or "")


def test_check_of_a_secret_that_is_being_deleted_names_apply(
    backend: AwsBackend,
) -> None:
    backend.put(NAME, "one")
    backend.delete(NAME)
    assert diagnose()[-1].remedy == "restore it, such as with: strongroom apply --widen --env dev"


@pytest.mark.usefixtures("backend")
def test_check_of_a_secret_of_others_names_its_owner() -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:rds!db-12ab-AbCdEf"
    remedy = diagnose(STRONGROOM_SECRET_ARNS=f"{NAME}={arn}")[-1].remedy
    assert remedy == f"have its owner write or restore {arn}, or correct STRONGROOM_SECRET_ARNS"


def test_check_without_region_names_the_variable() -> None:
    (only,) = diagnose(AWS_REGION="")
    assert (only.name, only.text.startswith("AWS_REGION is not set")) == ("settings", True)
