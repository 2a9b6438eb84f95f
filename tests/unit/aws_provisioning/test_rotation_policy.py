"""IAM policy of the rotation function: it grants its calls, and each part of it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.errors import ConfigurationError
from aws.iam.evaluation import ApiCall, is_granted
from aws.iam.rotation_policy import rotation_policy
from aws.rotated_secrets import find_rotated
from tests.support.iam_coverage import find_denied, find_unneeded
from tests.support.models.aws_declared import ACCOUNT, SCOPE, declare_on_aws
from tests.support.models.aws_rotated import (
    ARN,
    AWS,
    FUNCTION,
    SECRETS,
    declare_rotated,
    needed_calls,
)
from vault.declare.declaration import Declaration

GET: Final = "secretsmanager:GetSecretValue"
PUT: Final = "secretsmanager:PutSecretValue"
STAGE: Final = "secretsmanager:VersionStage"
URL: Final = ACCOUNT.secret("shop/cloud/database-url", "AbCdEf")
GIVEN: Final = ACCOUNT.secret("shop/cloud/smtp-password", "AbCdEf")
MANAGER: Final = ACCOUNT.secret("_strongroom/cloud/shop/database-manager", "AbCdEf")
CURRENT: Final = {STAGE: "AWSCURRENT"}


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return declare_rotated(tmp_path)


@pytest.fixture
def policy(declaration: Declaration) -> dict[str, Any]:
    return rotation_policy(declaration, SCOPE.environment, ACCOUNT, ARN)


def test_policy_grants_what_the_function_calls_and_nothing_else(
    declaration: Declaration, policy: dict[str, Any]
) -> None:
    calls = [*needed_calls(declaration)]
    assert find_denied(policy, calls) == []
    assert find_unneeded(policy, calls) == []


def test_policy_grants_the_keys_of_secrets_to_the_function(tmp_path: Path) -> None:
    key = ACCOUNT.any_key.replace("*", "1234-ab")
    declaration = declare_rotated(tmp_path, aws={**AWS, "kms_key": key})
    policy = rotation_policy(declaration, SCOPE.environment, ACCOUNT, ARN)
    calls = [*needed_calls(declaration)]
    assert [each.action for each in calls if each.resource == key] == [
        "kms:Decrypt",
        "kms:GenerateDataKey",
    ]
    assert find_denied(policy, calls) == []
    assert find_unneeded(policy, calls) == []


@pytest.mark.parametrize(
    "call",
    [
        ApiCall(GET, URL, CURRENT),
        ApiCall(GET, URL, {FUNCTION: ARN}),
        ApiCall(GET, URL, {STAGE: "AWSPREVIOUS", FUNCTION: ARN}),
        ApiCall(GET, URL, {**CURRENT, FUNCTION: ACCOUNT.function("other")}),
        ApiCall(GET, GIVEN, {**CURRENT, FUNCTION: ARN}),
        ApiCall(GET, MANAGER, {STAGE: "AWSPENDING"}),
        ApiCall(PUT, URL),
        ApiCall(PUT, MANAGER, {FUNCTION: ARN}),
        ApiCall("secretsmanager:TagResource", URL, {FUNCTION: ARN}),
        ApiCall("secretsmanager:RotateSecret", URL, {FUNCTION: ARN}),
    ],
    ids=str,
)
def test_policy_denies_any_other_call(policy: dict[str, Any], call: ApiCall) -> None:
    assert not is_granted(policy, call)


def test_policy_without_pairs_reads_no_manager(tmp_path: Path) -> None:
    declaration = declare_rotated(tmp_path, services={"shop": {}})
    document = rotation_policy(declaration, SCOPE.environment, ACCOUNT, ARN)
    assert [each["Sid"] for each in document["Statement"]] == ["ReadVersions", "WriteVersions"]


def test_policy_that_is_longer_than_iam_allows_is_refused(tmp_path: Path) -> None:
    many = {f"secret-{number}": SECRETS["password"] for number in range(60)}
    declaration = declare_rotated(tmp_path, service={"secrets": {**SECRETS, **many}})
    with pytest.raises(ConfigurationError, match=r"rotation function in cloud .* rotate fewer"):
        rotation_policy(declaration, SCOPE.environment, ACCOUNT, ARN)


def test_rotated_secrets_have_their_instructions(declaration: Declaration) -> None:
    assert {name: each.tags for name, each in find_rotated(declaration, SCOPE).items()} == {
        "password": {
            "rotation": "generated 48 alphanumeric",
            "rotation_min_age": "90300",
            "rotation_announces": None,
        },
        "database-url": {
            "rotation": "users shop_a shop_b",
            "rotation_min_age": "7500",
            "rotation_announces": None,
        },
    }


def test_environment_without_a_function_rotates_nothing(tmp_path: Path) -> None:
    assert find_rotated(declare_on_aws(tmp_path), SCOPE) == {}
