"""Drift on AWS: each field that somebody changes is found by a plan and mended by apply."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from app_integration.secret import Secret
from aws.desired import desired_resources
from aws.iam.service_policy import KEY_TAG
from aws.resources.secret_version import write_version
from tests.support.models.aws_declared import ENVIRONMENT, SCOPE, declare_on_aws
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import (
    ARN,
    GIVEN,
    PART,
    PASSWORD,
    URL,
    ProvisioningSite,
    lines,
    provisioning_site,
)
from vault.declare.declaration import Declaration

ROLE: Final = "shop-cloud"
OTHER_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
Drift = Callable[[ProvisioningSite], object]


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Declaration:
    aws = {**ENVIRONMENT["aws"], "roles": {"trust": ["ec2"]}}
    return declare_on_aws(tmp_path_factory.mktemp("declared"), aws=aws)


@pytest.fixture(scope="module")
def applied(moto: MotoServer, declaration: Declaration) -> Iterator[ProvisioningSite]:
    """Apply once, because each test ends with what is declared."""
    moto.reset()
    with provisioning_site(moto) as site:
        site.apply(site.plan(declaration))
        yield site
    moto.reset()


def sm(operation: str, name: str = PASSWORD, **parameters: Any) -> Drift:
    return lambda site: getattr(site.secrets, operation)(SecretId=name, **parameters)


def kms(operation: str, **parameters: Any) -> Drift:
    return lambda site: getattr(site.kms, operation)(KeyId=site.key(), **parameters)


def untag_policy(tag: str) -> Drift:
    return lambda site: site.iam.untag_policy(PolicyArn=ARN, TagKeys=[tag])


def untag_role(tag: str) -> Drift:
    return lambda site: site.iam.untag_role(RoleName=ROLE, TagKeys=[tag])


def other_role(site: ProvisioningSite) -> None:
    """Give the instance profile another role."""
    site.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(OTHER_TRUST))
    site.iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    site.iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="other")


def other_policy(site: ProvisioningSite) -> None:
    """Make another version of the policy the default, while IAM has no room for one more."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    for _ in range(4):
        site.iam.create_policy_version(
            PolicyArn=ARN, PolicyDocument=json.dumps(document), SetAsDefault=True
        )


def new_part(site: ProvisioningSite) -> None:
    write_version(site.connection, PART, Secret("another"), site.current(PART))


KEY: Final = "update kms-key shop-cloud-pii"
SECRET: Final = f"update secret-metadata {PASSWORD}"
POLICY: Final = "update iam-policy shop-cloud"
TAGS: Final = ("managed_by", "deployment", "owner", "environment")
SECRET_DRIFTS: Final = {
    "state": sm("delete_secret"),
    "kms_key": lambda site: sm("update_secret", KmsKeyId=site.key())(site),
    "description": sm("update_secret", Description="something else"),
    **{tag: sm("untag_resource", TagKeys=[tag]) for tag in (*TAGS, "rotate_every")},
}
KEY_DRIFTS: Final = {
    "key_state": kms("disable_key"),
    "description": kms("update_key_description", Description="something else"),
    "policy": kms(
        "put_key_policy",
        PolicyName="default",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": []}),
    ),
    "rotation_period": kms("disable_key_rotation"),
    **{tag: kms("untag_resource", TagKeys=[tag]) for tag in (*TAGS, KEY_TAG)},
}
POLICY_DRIFTS: Final = {
    "document": other_policy,
    **{tag: untag_policy(tag) for tag in TAGS},
}
ROLE_DRIFTS: Final = {
    "trust": lambda site: site.iam.update_assume_role_policy(
        RoleName=ROLE, PolicyDocument=json.dumps(OTHER_TRUST)
    ),
    ARN: lambda site: site.iam.detach_role_policy(RoleName=ROLE, PolicyArn=ARN),
    **{tag: untag_role(tag) for tag in TAGS},
}
PROFILE_DRIFTS: Final = {
    "role": lambda site: site.iam.remove_role_from_instance_profile(
        InstanceProfileName=ROLE, RoleName=ROLE
    ),
}
DRIFTS: Final[list[tuple[str, Drift]]] = [
    *((f"{SECRET} {field}", drift) for field, drift in SECRET_DRIFTS.items()),
    *((f"{KEY} {field}", drift) for field, drift in KEY_DRIFTS.items()),
    *((f"{POLICY} {field}", drift) for field, drift in POLICY_DRIFTS.items()),
    *((f"update iam-role {ROLE} {field}", drift) for field, drift in ROLE_DRIFTS.items()),
    *(
        (f"update instance-profile {ROLE} {field}", drift)
        for field, drift in PROFILE_DRIFTS.items()
    ),
    ("update instance-profile shop-cloud role", other_role),
    (f"{KEY} key_state", kms("schedule_key_deletion", PendingWindowInDays=7)),
    (f"{SECRET} owner", sm("tag_resource", Tags=[{"Key": "owner", "Value": "someone"}])),
    (
        f"update secret-metadata {URL} rotate_every",
        sm("tag_resource", URL, Tags=[{"Key": "rotate_every", "Value": "1d"}]),
    ),
    (f"update derived-secret {URL} value", new_part),
]


def test_drift_of_each_field_is_tested(declaration: Declaration) -> None:
    resources = desired_resources(declaration, SCOPE.environment, GIVEN)
    tested = {line.removeprefix("update ") for line, _ in DRIFTS}
    found = {
        f"{each.kind} {each.name} {field}"
        for each in resources
        for field in each.desired()
        if each.name in {PASSWORD, "shop-cloud-pii", "shop-cloud"}
        and field != "key_spec"  # which cannot change
        and each.kind != "secret-value"
    }
    assert found <= tested


@pytest.mark.parametrize(("expected", "drift"), DRIFTS, ids=[line for line, _ in DRIFTS])
def test_drift_is_found_and_mended(
    expected: str, drift: Drift, applied: ProvisioningSite, declaration: Declaration
) -> None:
    drift(applied)
    plan = applied.plan(declaration)
    assert lines(plan) == [expected]
    applied.apply(plan)
    assert lines(applied.plan(declaration)) == []
    assert applied.value("password")
