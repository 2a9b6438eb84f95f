"""A small declaration whose secrets a Lambda function rotates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from app_integration.sources.aws import CURRENT, NEXT
from aws.iam.evaluation import ApiCall
from aws.iam.questions import SUFFIX
from aws.iam.service_policy import STAGE, VIA
from aws.rotated_secrets import find_manager, find_rotated
from aws.rotation.versions import PENDING
from tests.support.models.aws_declared import (
    ACCOUNT,
    ENVIRONMENT,
    SCOPE,
    SERVICE,
    declare_on_aws,
)
from vault.declare.declaration import Declaration
from vault.declare.schema.aws import AWS_KEY

NAME: Final = "strongroom-rotation"
ARN: Final = ACCOUNT.function(NAME)
FUNCTION: Final = "secretsmanager:resource/AllowRotationLambdaArn"
USERS: Final = ("shop_a", "shop_b")
SECRETS: Final[dict[str, Any]] = {
    **SERVICE["secrets"],
    "database-url": {"source": "given", "rotate_every": "30d", "retire_after": "1h"},
}
DATABASE: Final[dict[str, Any]] = {
    "engine": "postgresql",
    "name": "shop",
    "roles": {"default": {"ttl": "1h", "max_ttl": "24h"}},
}
AWS: Final[dict[str, Any]] = {**ENVIRONMENT["aws"], "rotation_function": NAME}
SERVICES: Final[dict[str, Any]] = {"shop": {"paired": {"database-url": {"usernames": [*USERS]}}}}


def declare_rotated(
    folder: Path, *, service: dict[str, Any] | None = None, **sections: Any
) -> Declaration:
    """Write and load the declaration, as ``declare_on_aws`` does."""
    sections = {"aws": AWS, "services": SERVICES, **sections}
    files = {"secrets": SECRETS, "database": DATABASE, "keys": {}, **(service or {})}
    return declare_on_aws(folder, service=files, **sections)


def needed_calls(declaration: Declaration) -> Iterator[ApiCall]:
    """Yield each call of the function that must be granted in the environment of ``SCOPE``."""
    read, of_function = "secretsmanager:GetSecretValue", {FUNCTION: ARN}
    for scope in declaration.scopes(SCOPE.environment):
        rotated, manager = find_rotated(declaration, scope), find_manager(declaration, scope)
        for name, each in rotated.items():
            arn = ACCOUNT.secret(scope.secret(name), SUFFIX)
            for stage in (CURRENT, PENDING, *((NEXT,) if each.is_announced else ())):
                yield ApiCall(read, arn, {STAGE: stage, **of_function})
            for action in ("DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"):
                yield ApiCall(f"secretsmanager:{action}", arn, of_function)
        if manager:
            yield ApiCall(read, ACCOUNT.secret(manager, SUFFIX), {STAGE: CURRENT})
        key = declaration.secrets_key(scope)
        if rotated and key != AWS_KEY:
            for action in ("kms:Decrypt", "kms:GenerateDataKey"):
                yield ApiCall(action, key, {VIA: ACCOUNT.secrets_manager})
