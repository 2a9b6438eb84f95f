"""IAM policy of the operator, beside the requests that plan and apply really send.

moto evaluates neither ARNs nor conditions, so each request is decided by the evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from aws.iam.evaluation import ApiCall, as_list, is_granted
from aws.iam.questions import KEY_ID, SUFFIX
from aws.iam.service_policy import STAGE
from aws.operator_policy import operator_policies
from tests.support.models.aws_declared import ACCOUNT, MADE, SCOPE, declare_watched
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import (
    ARN,
    PASSWORD,
    ProvisioningSite,
    lines,
    provisioning_site,
)
from vault.declare.declaration import Declaration

ROLE: Final = "shop-cloud"
KEY: Final = ACCOUNT.any_key.replace("*", KEY_ID)
MARKED: Final = {
    "aws:ResourceTag/deployment": "strongroom",
    "aws:ResourceTag/environment": "cloud",
}
#: Actions of commands and failures that this test does not run.
NOT_SENT: Final = {
    "cloudwatch:PutMetricData",  # ledger
    "kms:ScheduleKeyDeletion",  # of a key whose alias is refused
    "secretsmanager:ListSecretVersionIds",  # ledger
    "secretsmanager:ReplicateSecretToRegions",  # moto has no other region here
}


def on_secret(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    arn = ACCOUNT.secret(sent.get("SecretId") or sent["Name"], SUFFIX)
    stage = {STAGE: sent["VersionStage"]} if operation == "GetSecretValue" else {}
    yield ApiCall(f"secretsmanager:{operation}", arn, stage)


def on_key(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    action = f"kms:{operation}"
    if operation == "CreateKey":
        tags = {f"aws:RequestTag/{each['TagKey']}": each["TagValue"] for each in sent["Tags"]}
        yield ApiCall(action, "*", tags)
        return
    if operation == "CreateAlias":
        yield ApiCall(action, ACCOUNT.arn("kms", sent["AliasName"]))
    yield ApiCall(action, KEY, MARKED)


def on_identity(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    if "InstanceProfileName" in sent:
        arn = ACCOUNT.iam(f"instance-profile/{sent['InstanceProfileName']}")
        if operation == "AddRoleToInstanceProfile":
            to = {"iam:PassedToService": "ec2.amazonaws.com"}
            yield ApiCall("iam:PassRole", ACCOUNT.iam(f"role/{sent['RoleName']}"), to)
    elif "RoleName" in sent:
        arn = ACCOUNT.iam(f"role/{sent['RoleName']}")
    else:
        arn = sent.get("PolicyArn") or ACCOUNT.policy(sent["PolicyName"])
    context = {"iam:PolicyARN": sent["PolicyArn"]} if operation == "AttachRolePolicy" else {}
    yield ApiCall(f"iam:{operation}", arn, context)


def on_log(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    group = sent.get("resourceArn") or ACCOUNT.log_group(sent.get("logGroupName", ""))
    yield ApiCall(f"logs:{operation}", "*" if operation == "DescribeLogGroups" else group)


def on_watch(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    arn = sent.get("ResourceARN") or (
        f"arn:aws:cloudwatch::{ACCOUNT.id}:dashboard/{sent['DashboardName']}"
        if "DashboardName" in sent
        else ACCOUNT.alarm(sent.get("AlarmName", ""))
    )
    yield ApiCall(f"cloudwatch:{operation}", "*" if operation == "DescribeAlarms" else arn)


def on_topic(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    arn = sent.get("TopicArn") or sent.get("ResourceArn") or ACCOUNT.arn("sns", sent["Name"])
    yield ApiCall(f"sns:{operation}", arn)


def on_trail(operation: str, sent: dict[str, Any]) -> Iterator[ApiCall]:
    if "CloudWatchLogsRoleArn" in sent:
        to = {"iam:PassedToService": "cloudtrail.amazonaws.com"}
        yield ApiCall("iam:PassRole", sent["CloudWatchLogsRoleArn"], to)
    yield ApiCall(f"cloudtrail:{operation}", ACCOUNT.arn("cloudtrail", "trail/strongroom-cloud"))


CALLS: Final = {
    "sns": on_topic,
    "cloudtrail": on_trail,
    "secretsmanager": on_secret,
    "kms": on_key,
    "iam": on_identity,
    "logs": on_log,
    "cloudwatch": on_watch,
}


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return declare_watched(tmp_path, roles={"trust": ["ec2"]}, **MADE)


@pytest.fixture
def site(moto: MotoServer) -> Iterator[ProvisioningSite]:
    moto.reset()
    with provisioning_site(moto) as running:
        yield running
    moto.reset()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[AwsRequest]:
    """Return the list of what is requested from now on."""
    requests: list[AwsRequest] = []
    call = AwsConnection.call

    def record(self: AwsConnection, request: AwsRequest, *rest: Any) -> dict[str, Any]:
        requests.append(request)
        return call(self, request, *rest)

    monkeypatch.setattr(AwsConnection, "call", record)
    return requests


def drift(site: ProvisioningSite) -> None:
    """Change what is declared, so that apply sends each kind of request."""
    key, tags = site.key(), ["owner"]
    extra = [{"Key": "rotation_announces", "Value": "next"}]
    site.secrets.tag_resource(SecretId="shop/cloud/smtp-url", Tags=[{**extra[0]}])
    site.secrets.tag_resource(
        SecretId="shop/cloud/smtp-url", Tags=[{"Key": "rotate_every", "Value": "1d"}]
    )
    site.secrets.update_secret(SecretId=PASSWORD, Description="something else")
    site.secrets.delete_secret(SecretId=PASSWORD)
    site.kms.disable_key_rotation(KeyId=key)
    site.kms.update_key_description(KeyId=key, Description="something else")
    other = {"Version": "2012-10-17", "Statement": []}
    site.kms.put_key_policy(KeyId=key, PolicyName="default", Policy=json.dumps(other))
    site.kms.untag_resource(KeyId=key, TagKeys=tags)
    site.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    for _ in range(4):
        document = json.dumps({"Version": "2012-10-17", "Statement": [anything]})
        site.iam.create_policy_version(PolicyArn=ARN, PolicyDocument=document, SetAsDefault=True)
    site.iam.untag_policy(PolicyArn=ARN, TagKeys=tags)
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    site.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=document)
    site.iam.untag_role(RoleName=ROLE, TagKeys=tags)
    site.iam.create_role(RoleName="other", AssumeRolePolicyDocument=document)
    site.iam.remove_role_from_instance_profile(InstanceProfileName=ROLE, RoleName=ROLE)
    site.iam.add_role_to_instance_profile(InstanceProfileName=ROLE, RoleName="other")
    group = ACCOUNT.log_group("strongroom/cloud")
    site.logs.untag_resource(resourceArn=group, tagKeys=tags)
    topic = ACCOUNT.arn("sns", "strongroom-cloud-page")
    site.sns.untag_resource(ResourceArn=topic, TagKeys=tags)
    site.sns.set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(other)
    )
    trail = ACCOUNT.arn("cloudtrail", "trail/strongroom-cloud")
    site.cloudtrail.remove_tags(
        ResourceId=trail, TagsList=[{"Key": "owner", "Value": "platform-team"}]
    )
    site.cloudtrail.stop_logging(Name=trail)
    alarm = ACCOUNT.alarm("strongroom-cloud-throttling")
    site.cloudwatch.untag_resource(ResourceARN=alarm, TagKeys=tags)


def test_policy_grants_each_request_of_plan_and_apply_and_little_else(
    site: ProvisioningSite, declaration: Declaration, sent: list[AwsRequest]
) -> None:
    (policy,) = operator_policies(declaration, SCOPE.environment)
    site.create_bucket()
    site.apply(site.plan(declaration))
    drift(site)
    site.apply(site.plan(declaration))
    assert lines(site.plan(declaration)) == []
    calls = [
        call
        for each in sent
        if each.service != "sts"
        for call in CALLS[each.service](each.operation, dict(each.parameters))
    ]
    assert [call for call in calls if not is_granted(policy, call)] == []
    allowed = {action for each in policy["Statement"] for action in as_list(each["Action"])}
    assert allowed - {call.action for call in calls} == NOT_SENT
