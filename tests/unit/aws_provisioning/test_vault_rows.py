"""Rows of policy tests, which name paths of Vault, as calls to AWS."""

from __future__ import annotations

from pathlib import Path

import pytest

from app_integration.mounts import DEFAULT_MOUNTS
from aws.iam.questions import decide
from aws.iam.service_policy import service_policy
from aws.iam.vault_rows import translate
from tests.support.models.aws_declared import ACCOUNT, SCOPE, declare_on_aws

SECRET = f"secret:{SCOPE.secret('password')}-AbCdEf"


@pytest.mark.parametrize(
    ("path", "capability", "calls"),
    [
        ("secret/data/shop/cloud/password", "read", [f"secretsmanager:GetSecretValue {SECRET}"]),
        ("secret/data/shop/cloud/password", "patch", [f"secretsmanager:PutSecretValue {SECRET}"]),
        (
            "secret/metadata/shop/cloud/password",
            "read",
            [f"secretsmanager:DescribeSecret {SECRET}"],
        ),
        ("secret/metadata/shop/cloud/", "list", ["secretsmanager:ListSecrets *"]),
        ("transit/encrypt/shop-cloud-pii", "update", ["kms:Encrypt key"]),
        (
            "transit/rewrap/shop-cloud-pii",
            "update",
            ["kms:ReEncryptFrom key", "kms:ReEncryptTo key"],
        ),
        ("transit/keys/shop-cloud-pii", "delete", ["kms:ScheduleKeyDeletion key"]),
        ("transit/encrypt/shop-cloud-pii", "read", []),
        ("transit/export/encryption-key/shop-cloud-pii", "read", []),
        ("secret/data/shop/cloud/password", "sudo", []),
        ("sys/mounts/secret", "update", []),
        ("database/creds/shop-cloud", "read", []),
    ],
)
def test_row_is_translated_to_the_calls_of_the_same_meaning(
    path: str, capability: str, calls: list[str]
) -> None:
    found = translate(SCOPE, path, capability, DEFAULT_MOUNTS, ACCOUNT, {})
    resources = [each.resource.split(":", 5)[-1].partition("/1234abcd")[0] for each in found]
    assert [f"{each.action} {on}" for each, on in zip(found, resources, strict=True)] == calls


@pytest.mark.parametrize(
    ("path", "capability", "granted"),
    [
        ("secret/data/shop/cloud/password", "read", True),
        ("secret/data/other/cloud/password", "read", False),
        ("secret/data/shop/prod/password", "read", False),
        ("secret/data/shop/cloud/password", "update", False),
        ("transit/decrypt/shop-cloud-pii", "update", True),
        ("transit/decrypt/shop-cloud-audit", "update", False),
        ("transit/encrypt/shop-cloud-audit", "update", True),
        ("transit/rewrap/shop-cloud-audit", "update", False),
    ],
)
def test_translated_row_is_decided_as_on_vault(
    path: str, capability: str, granted: bool, tmp_path: Path
) -> None:
    policy = service_policy(declare_on_aws(tmp_path), SCOPE, ACCOUNT)
    decisions = decide(policy, translate(SCOPE, path, capability, DEFAULT_MOUNTS, ACCOUNT, {}))
    assert decisions
    assert {each.granted for each in decisions} == {granted}
    assert all(bool(each.statements) == granted for each in decisions)
