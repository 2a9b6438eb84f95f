"""The IAM policy of the rotation function in one environment: what it calls, and nothing else.

A condition leaves to the function those secrets only that Secrets Manager rotates with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from app_integration.names import Environment
from app_integration.sources.aws import CURRENT, NEXT
from aws.account import Account
from aws.iam.service_policy import STAGE, VERSION, check_length, use_secret_keys
from aws.rotated_secrets import find_manager, find_rotated
from aws.rotation.versions import PENDING
from vault.declare.declaration import Declaration

_FUNCTION: Final = "secretsmanager:resource/AllowRotationLambdaArn"
_READ: Final = "secretsmanager:GetSecretValue"
_USE: Final = ("kms:Decrypt", "kms:GenerateDataKey")
_WRITE: Final = (
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
)


def rotation_policy(
    declaration: Declaration, environment: Environment, account: Account, function: str
) -> dict[str, Any]:
    """Return the policy document of the function, without a statement if it rotates nothing."""
    rotated, managers = _secrets(declaration, environment)
    by_function = {_FUNCTION: function}
    stages = [CURRENT, PENDING, *([NEXT] if any(rotated.values()) else ())]
    statements = [
        _statement("ReadVersions", [_READ], [*rotated], {STAGE: stages, **by_function}),
        _statement("WriteVersions", [*_WRITE], [*rotated], by_function),
        _statement("ReadManagers", [_READ], managers, {STAGE: CURRENT}),
    ]
    for each in statements:
        each["Resource"] = [account.secret(path) for path in each["Resource"]]
    statements += use_secret_keys(_keys(declaration, environment), [account], _USE)
    document = {"Version": VERSION, "Statement": [each for each in statements if each["Resource"]]}
    hint = "rotate fewer secrets, or split the environment"
    check_length(document, f"the rotation function in {environment}", hint)
    return document


def _keys(declaration: Declaration, environment: Environment) -> set[str]:
    """Return the KMS keys of the secrets that the function reads or writes."""
    scopes = declaration.scopes(environment)
    return {declaration.secrets_key(each) for each in scopes if find_rotated(declaration, each)}


def _secrets(
    declaration: Declaration, environment: Environment
) -> tuple[dict[str, bool], Sequence[str]]:
    """Return each rotated secret and whether it is announced, and the managers' URLs."""
    scopes = declaration.scopes(environment)
    rotated = {
        scope.secret(name): each.is_announced
        for scope in scopes
        for name, each in find_rotated(declaration, scope).items()
    }
    managers = [manager for scope in scopes if (manager := find_manager(declaration, scope))]
    return dict(sorted(rotated.items())), sorted(managers)


def _statement(
    sid: str, actions: list[str], paths: Sequence[str], tests: dict[str, Any]
) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": [*paths],
        "Condition": {"StringEquals": tests},
    }
