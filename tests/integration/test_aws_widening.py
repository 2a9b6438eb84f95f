"""Objects that a team has hardened: no apply grants more than it shows, and is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.models.aws_declared import ACCOUNT, ENVIRONMENT, SERVICE, declare_on_aws
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import (
    ARN,
    GIVEN,
    PASSWORD,
    ProvisioningSite,
    lines,
)
from vault.declare.declaration import Declaration
from vault.reconcile.planning.apply import ApplyFailed

ROLE: Final = f"arn:aws:iam::{ACCOUNT.id}:role/shop-task"
#: A key policy that lets one role use the key, and the account administer it.
NARROW: Final[dict[str, Any]] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT.root},
            "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:Put*", "kms:Tag*"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROLE},
            "Action": ["kms:Decrypt", "kms:Encrypt"],
            "Resource": "*",
        },
    ],
}


@pytest.fixture
def site(running_site: ProvisioningSite, moto: MotoServer) -> Iterator[ProvisioningSite]:
    moto.reset()
    running_site.proxy.forget()
    yield running_site
    moto.reset()


@pytest.fixture
def applied(site: ProvisioningSite, tmp_path: Path) -> ProvisioningSite:
    site.apply(site.plan(declare_on_aws(tmp_path), may_widen=False))
    site.proxy.forget()
    return site


def on_aws(folder: Path, **aws: Any) -> Declaration:
    return declare_on_aws(folder, aws={**ENVIRONMENT["aws"], **aws})


def create_key(site: ProvisioningSite) -> str:
    arn: str = site.kms.create_key()["KeyMetadata"]["Arn"]
    return arn


def narrow_key(site: ProvisioningSite) -> None:
    policy = json.dumps(NARROW)
    site.kms.put_key_policy(KeyId=site.key(), PolicyName="default", Policy=policy)


def own_key(site: ProvisioningSite) -> None:
    site.secrets.update_secret(SecretId=PASSWORD, KmsKeyId=create_key(site))


def narrow_policy(site: ProvisioningSite) -> None:
    deny = {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": "*"}
    found = site.iam.get_policy(PolicyArn=ARN)["Policy"]["DefaultVersionId"]
    version = site.iam.get_policy_version(PolicyArn=ARN, VersionId=found)["PolicyVersion"]
    statements = [*version["Document"]["Statement"], deny]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    site.iam.create_policy_version(PolicyArn=ARN, PolicyDocument=document, SetAsDefault=True)


HARDENED: Final[dict[str, tuple[Callable[[ProvisioningSite], object], str, str]]] = {
    "key policy": (
        narrow_key,
        "update kms-key shop-cloud-pii",
        f"it grants more: kms:* on * for {ACCOUNT.root}",
    ),
    "disabled key": (
        lambda site: site.kms.disable_key(KeyId=site.key()),
        "update kms-key shop-cloud-pii",
        "use of the key, which is Disabled",
    ),
    "tag of a key": (
        lambda site: site.kms.untag_resource(KeyId=site.key(), TagKeys=["strongroom:key"]),
        "update kms-key shop-cloud-pii",
        "use of the key by the services whose IAM policies name shop-cloud-pii",
    ),
    "key of a secret": (
        own_key,
        f"update secret-metadata {PASSWORD}",
        "decryption without a permission of KMS",
    ),
    "deleted secret": (
        lambda site: site.secrets.delete_secret(SecretId=PASSWORD),
        f"update secret-metadata {PASSWORD}",
        "reading of the secret, which is being deleted",
    ),
    "IAM policy": (
        narrow_policy,
        "update iam-policy shop-cloud",
        "no longer denied: secretsmanager:* on * (not decided)",
    ),
}


@pytest.mark.parametrize("name", HARDENED)
def test_what_a_team_hardened_is_widened_only_if_that_is_allowed(
    name: str, applied: ProvisioningSite, tmp_path: Path
) -> None:
    harden, change, grants = HARDENED[name]
    harden(applied)
    declaration = declare_on_aws(tmp_path)
    plan = applied.plan(declaration, may_widen=False)
    applied.proxy.forget()
    with pytest.raises(ApplyFailed) as caught:
        applied.apply(plan)
    assert applied.proxy.operations == []
    assert change in str(caught.value)
    assert grants in str(caught.value)
    assert "plan it with --widen" in str(caught.value)
    applied.apply(applied.plan(declaration))
    assert lines(applied.plan(declaration, may_widen=False)) == []


def test_declared_key_policy_stays_and_names_the_service(
    applied: ProvisioningSite, tmp_path: Path
) -> None:
    policy = json.loads(json.dumps(NARROW).replace("shop-task", "{service}-task"))
    narrow_key(applied)
    declaration = on_aws(tmp_path, kms={"policy": policy})
    found = [line for line in lines(applied.plan(declaration)) if line.endswith("policy")]
    assert found == ["update kms-key shop-cloud-audit policy"]
    applied.apply(applied.plan(declaration, may_widen=True))
    assert lines(applied.plan(declaration)) == []


def test_narrower_key_policy_needs_no_permission(applied: ProvisioningSite, tmp_path: Path) -> None:
    statement = {**NARROW["Statement"][0], "Action": "kms:*", "Condition": {"Bool": {"a": "true"}}}
    declaration = on_aws(tmp_path, kms={"policy": {**NARROW, "Statement": [statement]}})
    plan = applied.plan(declaration, may_widen=False)
    assert plan.widening == []
    applied.apply(plan)
    assert lines(applied.plan(declaration)) == []


def test_new_secret_and_its_permission_are_no_widening(
    applied: ProvisioningSite, tmp_path: Path
) -> None:
    secrets = {**SERVICE["secrets"], "api-key": {"source": "generated", "length": 32}}
    declaration = declare_on_aws(tmp_path, service={"secrets": secrets})
    applied.apply(applied.plan(declaration, may_widen=False))
    assert len(applied.value("api-key")) == 32


def test_declared_key_of_secrets_is_kept_and_granted(
    site: ProvisioningSite, tmp_path: Path
) -> None:
    key = create_key(site)
    declaration = on_aws(tmp_path, kms_key=key)
    site.apply(site.plan(declaration, may_widen=False))
    assert site.secrets.describe_secret(SecretId=PASSWORD)["KmsKeyId"] == key
    assert lines(site.plan(declaration)) == []


def test_key_that_is_named_by_an_alias_is_the_declared_one(
    site: ProvisioningSite, tmp_path: Path
) -> None:
    key = create_key(site)
    declaration = on_aws(tmp_path, kms_key=key)
    site.apply(site.plan(declaration))
    site.kms.create_alias(AliasName="alias/theirs", TargetKeyId=key)
    site.secrets.update_secret(SecretId=PASSWORD, KmsKeyId="alias/theirs")
    assert lines(site.plan(declaration)) == []


def test_replica_is_added_once_and_only_if_that_is_allowed(
    applied: ProvisioningSite, tmp_path: Path
) -> None:
    declaration = on_aws(tmp_path, replicas={"eu-west-1": "alias/aws/secretsmanager"})
    with pytest.raises(ApplyFailed, match="a copy of the value in eu-west-1"):
        applied.apply(applied.plan(declaration, may_widen=False))
    applied.apply(applied.plan(declaration))
    found = applied.secrets.describe_secret(SecretId=PASSWORD)["ReplicationStatus"]
    assert [each["Region"] for each in found] == ["eu-west-1"]
    assert lines(applied.plan(declaration)) == []
    assert lines(applied.plan(declare_on_aws(tmp_path / "without"))) == [
        "update iam-policy shop-cloud document"
    ]


def test_secrets_begin_with_their_replicas(site: ProvisioningSite, tmp_path: Path) -> None:
    declaration = on_aws(tmp_path, replicas={"eu-west-1": "alias/aws/secretsmanager"})
    site.apply(site.plan(declaration, may_widen=False))
    assert lines(site.plan(declaration)) == []


def test_replica_that_failed_is_refused_with_its_reason(
    applied: ProvisioningSite, tmp_path: Path
) -> None:
    found = applied.secrets.describe_secret(SecretId=PASSWORD)
    status = [{"Region": "eu-west-1", "Status": "Failed", "StatusMessage": "it exists there"}]
    kept = ("ARN", "Name", "Tags", "VersionIdsToStages")
    body = {key: found[key] for key in kept} | {"ReplicationStatus": status}
    applied.proxy.faults["DescribeSecret"] = [faults.Fault(body=body)]
    declaration = on_aws(tmp_path, replicas={"eu-west-1": "alias/aws/secretsmanager"})
    plan = applied.plan(declaration, GIVEN)
    with pytest.raises(ApplyFailed, match=r"failed: it exists there.*remove the replica"):
        applied.apply(plan)
