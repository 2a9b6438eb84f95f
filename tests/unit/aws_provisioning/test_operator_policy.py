"""IAM policy of the operator of an environment: what it denies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from aws.iam.evaluation import ApiCall, find_needed, is_granted
from aws.iam.service_policy import MAX_LENGTH, STAGE, policy_length
from aws.operator_policy import operator_policies
from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import ACCOUNT, SCOPE, SERVICE, declare_watched
from tests.support.processes.command import run_command

POLICY: Final = ACCOUNT.policy("shop-cloud")
ROLE: Final = ACCOUNT.iam("role/shop-cloud")
KEY: Final = ACCOUNT.any_key.replace("*", "1234")
MARKS: Final = {"deployment": "strongroom", "environment": "cloud"}
ON_KEY: Final = {f"aws:ResourceTag/{name}": value for name, value in MARKS.items()}
OF_KEY: Final = {f"aws:RequestTag/{name}": value for name, value in MARKS.items()}
GET: Final = "secretsmanager:GetSecretValue"


@pytest.fixture
def policy(tmp_path: Path) -> dict[str, Any]:
    declaration = declare_watched(tmp_path, roles={"trust": ["ec2"]})
    (document,) = operator_policies(declaration, SCOPE.environment)
    return document


@pytest.mark.parametrize(
    ("call", "context"),
    [
        (("iam:AttachRolePolicy", ROLE), {"iam:PolicyARN": POLICY}),
        (("iam:PassRole", ROLE), {"iam:PassedToService": "ec2.amazonaws.com"}),
        (("kms:CreateKey", "*"), OF_KEY),
        (("kms:PutKeyPolicy", KEY), ON_KEY),
        (("kms:CreateAlias", KEY), ON_KEY),
        (
            (GET, ACCOUNT.secret("shop/cloud/smtp-password", "AbCdEf")),
            {STAGE: "AWSCURRENT"},
        ),
    ],
)
def test_call_is_granted_only_with_its_conditions(
    call: tuple[str, str], context: dict[str, str], policy: dict[str, Any]
) -> None:
    assert find_needed(policy, ApiCall(*call, context)) == context


@pytest.mark.parametrize(
    "call",
    [
        ApiCall("iam:AttachRolePolicy", ROLE, {"iam:PolicyARN": "arn:aws:iam::aws:policy/Admin"}),
        ApiCall("iam:AttachRolePolicy", ACCOUNT.iam("role/shop-prod"), {"iam:PolicyARN": POLICY}),
        ApiCall("iam:CreatePolicyVersion", ACCOUNT.policy("shop-prod")),
        ApiCall("iam:PutRolePolicy", ROLE),
        ApiCall("iam:DeleteRole", ROLE),
        ApiCall("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
        ApiCall("secretsmanager:DescribeSecret", ACCOUNT.secret("shop/prod/password", "AbCdEf")),
        ApiCall("secretsmanager:DeleteSecret", ACCOUNT.secret("shop/cloud/password", "AbCdEf")),
        ApiCall(GET, ACCOUNT.secret("shop/cloud/password", "AbCdEf"), {STAGE: "AWSCURRENT"}),
        ApiCall(GET, ACCOUNT.secret("shop/cloud/smtp-password", "AbCdEf"), {STAGE: "AWSPREVIOUS"}),
        ApiCall("kms:CreateKey", "*"),
        ApiCall("kms:CreateKey", "*", {**OF_KEY, "aws:RequestTag/environment": "prod"}),
        ApiCall("kms:PutKeyPolicy", KEY),
        ApiCall("kms:PutKeyPolicy", KEY, {**ON_KEY, "aws:ResourceTag/environment": "prod"}),
        ApiCall("kms:Decrypt", KEY, ON_KEY),
        ApiCall("kms:CreateAlias", ACCOUNT.arn("kms", "alias/shop-prod-pii")),
        ApiCall("kms:UpdateAlias", ACCOUNT.arn("kms", "alias/shop-cloud-pii")),
        ApiCall("logs:PutRetentionPolicy", ACCOUNT.log_group("strongroom/prod")),
        ApiCall("cloudwatch:PutMetricAlarm", ACCOUNT.alarm("strongroom-prod-throttling")),
        ApiCall("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "strongroom/prod"}),
    ],
    ids=str,
)
def test_call_of_no_command_is_denied(call: ApiCall, policy: dict[str, Any]) -> None:
    assert not is_granted(policy, call)


def test_policy_that_is_longer_than_iam_allows_is_refused(tmp_path: Path) -> None:
    keys = {f"key-{number}": {"allow": ["encrypt"]} for number in range(99)}
    declaration = declare_watched(tmp_path, service={"keys": keys})
    with pytest.raises(ConfigurationError, match=r"operator of cloud has .* another environment"):
        operator_policies(declaration, SCOPE.environment)


def test_statements_that_one_policy_has_no_room_for_are_in_another(tmp_path: Path) -> None:
    keys = {f"key-{number}": {"allow": ["encrypt"]} for number in range(60)}
    declaration = declare_watched(tmp_path, service={"keys": keys})
    documents = operator_policies(declaration, SCOPE.environment)
    assert len(documents) == 2
    assert all(policy_length(each) <= MAX_LENGTH for each in documents)
    names = [each["Sid"] for document in documents for each in document["Statement"]]
    assert len(names) == len({*names})
    assert {"Secrets", "Aliases", "Ledger"} < {*names}


def test_command_prints_the_policy(
    policy: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    assert run_command(monkeypatch, "environments", "apply-policy", "cloud") == 0
    assert json.loads(capsys.readouterr().out) == [policy]


def test_policy_without_monitoring_roles_and_keys_has_no_statement_about_them(
    tmp_path: Path,
) -> None:
    service = {"secrets": {"password": SERVICE["secrets"]["password"]}, "keys": {}}
    declaration = declare_watched(tmp_path, service=service)
    (document,) = operator_policies(declaration, SCOPE.environment)
    services = {each["Sid"] for each in document["Statement"]}
    assert services == {
        *("Secrets", "Policies", "Logs", "ListLogs", "Alarms", "ListAlarms", "Dashboard", "Ledger")
    }
