"""The resources of an environment as a CloudFormation template, without a value.

It is rendered from the resources that ``apply`` writes, and contains the same parameters.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from app_integration.errors import ConfigurationError
from aws.account import Account
from aws.function_archive import HANDLER, RUNTIME
from aws.resources import AwsResource
from aws.resources.alarm import Alarm
from aws.resources.dashboard import Dashboard
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole, InstanceProfile
from aws.resources.kms_key import KmsKey
from aws.resources.log_group import LogGroup
from aws.resources.metric_filter import MetricFilter
from aws.resources.secret import TAGS, AwsSecret
from aws.resources.topic import Topic
from aws.resources.trail import Trail
from vault.declare import durations
from vault.declare.schema.aws import AWS_KEY

_MAX_RESOURCES: Final = 500
_MAX_READABLE: Final = 200  # characters, of the 255 that a name may have
#: Types that a deleted stack leaves behind, because nothing brings them back.
_KEPT: Final = frozenset(("KMS::Key", "KMS::Alias", "SecretsManager::Secret", "Logs::LogGroup"))

#: Parameters of a template with the rotation function: where its code is, and its layer.
_OF_FUNCTION: Final = ("RotationCodeBucket", "RotationCodeKey", "RotationLayerArn")

Entries = dict[str, dict[str, Any]]


def build_template(resources: Sequence[AwsResource], description: str) -> dict[str, Any]:
    """Return the template of *resources*.

    Values, and what needs one, are left to ``apply``. The metadata of the template names the kinds.
    """
    rendered = [(resource.kind, _entries(resource)) for resource in resources]
    entries = {name: entry for _, found in rendered for name, entry in found.items()}
    left = {kind for kind, found in rendered if not found}
    if len(entries) > _MAX_RESOURCES:
        raise ConfigurationError(
            f"the template has {len(entries)} resources, and CloudFormation allows"
            f" {_MAX_RESOURCES}; declare some of the services in another environment"
        )
    _refer_to_log_groups(entries)
    references = {
        each.arn: {"Ref": _logical_id(each)}
        for each in resources
        if isinstance(each, IamPolicy | Topic)
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": description,
        "Metadata": {"LeftToApply": sorted(left)},
        "Resources": _refer(entries, references),
    }


def add_function(template: dict[str, Any], account: Account, name: str, role: str) -> None:
    """Add the rotation function, which nothing but a template makes, to *template*.

    Its code and layer are built by commands, so they are parameters.
    """
    entries: Entries = template["Resources"]
    role_id = _logical_id(IamRole(role, "", (), {}))
    if role_id not in entries:  # because nothing is rotated
        return
    template["Parameters"] = {each: {"Type": "String"} for each in _OF_FUNCTION}
    bucket, key, layer = ({"Ref": each} for each in _OF_FUNCTION)
    entries["RotationFunction"] = _entry(
        "Lambda::Function",
        {
            "FunctionName": name,
            "Runtime": RUNTIME,
            "Handler": HANDLER,
            "Timeout": 60,
            "Role": {"Fn::GetAtt": [role_id, "Arn"]},
            "Code": {"S3Bucket": bucket, "S3Key": key},
            "Layers": [layer],
            "Environment": {"Variables": {"PGSSLROOTCERT": "/opt/authorities.pem"}},
            "Tags": entries[role_id]["Properties"]["Tags"],
        },
    )
    permission = {
        "FunctionName": {"Ref": "RotationFunction"},
        "Action": "lambda:InvokeFunction",
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": account.id,
    }
    entries["RotationFunctionPermission"] = _entry("Lambda::Permission", permission)


def _refer(part: Any, references: Mapping[str, dict[str, str]]) -> Any:
    """Return *part* with a reference in place of each ARN of an object of the template."""
    if isinstance(part, Mapping):
        return {name: _refer(each, references) for name, each in part.items()}
    if isinstance(part, list):
        return [_refer(each, references) for each in part]
    return references.get(part, part) if isinstance(part, str) else part


def _logical_id(resource: AwsResource) -> str:
    """Return the name of a resource in the template.

    It has letters and digits only, so that the names of two could be equal without a hash.
    """
    text = f"{resource.kind}-{resource.name}"
    words = re.split("[^A-Za-z0-9]+", text)
    readable = "".join(map(str.capitalize, words))[:_MAX_READABLE]
    return readable + hashlib.sha256(text.encode()).hexdigest()[:8]


def _entries(resource: AwsResource) -> Entries:
    """Return what a resource is in the template, nothing if it has no form there."""
    name = _logical_id(resource)
    if isinstance(resource, KmsKey):
        return _key(name, resource)
    if isinstance(resource, Topic):
        return _topic(name, resource)
    if isinstance(resource, Trail):
        role = IamRole(resource.role.rpartition("/")[2], "", (), {})
        group = LogGroup(resource.log_group.split(":")[-2], "", 0, {})
        needed = {"DependsOn": [_logical_id(role), _logical_id(group)]}
        return {name: {**_entry("CloudTrail::Trail", _trail(resource)), **needed}}
    if type(resource) not in _FORMS:
        return {}
    kind, render = _FORMS[type(resource)]
    return {name: _entry(kind, render(resource))}


def _key(name: str, key: KmsKey) -> Entries:
    properties = {
        "Description": key.description,
        "KeySpec": "SYMMETRIC_DEFAULT",
        "Enabled": True,
        "EnableKeyRotation": True,
        "RotationPeriodInDays": key.rotation_period // durations.DAY,
        "KeyPolicy": json.loads(key.policy),
        "Tags": TAGS.encode(key.tags),
    }
    alias = {"AliasName": key.alias, "TargetKeyId": {"Ref": name}}
    return {name: _entry("KMS::Key", properties), f"{name}Alias": _entry("KMS::Alias", alias)}


def _topic(name: str, topic: Topic) -> Entries:
    properties = {"TopicName": topic.name, "Tags": TAGS.encode(topic.tags)}
    policy = {"Topics": [{"Ref": name}], "PolicyDocument": json.loads(topic.policy)}
    return {
        name: _entry("SNS::Topic", properties),
        f"{name}Policy": _entry("SNS::TopicPolicy", policy),
    }


def _trail(trail: Trail) -> dict[str, Any]:
    return {
        "TrailName": trail.name,
        **trail.parameters(),
        "EnableLogFileValidation": True,
        "IsLogging": True,
        "Tags": TAGS.encode(trail.tags),
    }


def _secret(secret: AwsSecret) -> dict[str, Any]:
    description = {"Description": secret.description} if secret.description else {}
    key = {} if secret.kms_key == AWS_KEY else {"KmsKeyId": secret.kms_key}
    regions = [{"Region": region, "KmsKeyId": key} for region, key in secret.replicas.items()]
    replicas = {"ReplicaRegions": regions} if regions else {}
    return {"Name": secret.name, **description, **key, **replicas, "Tags": TAGS.encode(secret.tags)}


def _policy(policy: IamPolicy) -> dict[str, Any]:
    # CloudFormation knows no tags of a managed policy.
    return {"ManagedPolicyName": policy.name, "PolicyDocument": json.loads(policy.document)}


def _role(role: IamRole) -> dict[str, Any]:
    return {
        "RoleName": role.name,
        "AssumeRolePolicyDocument": json.loads(role.trust),
        "ManagedPolicyArns": [*role.policies],
        "Tags": TAGS.encode(role.tags),
    }


def _profile(profile: InstanceProfile) -> dict[str, Any]:
    role = {"Ref": _logical_id(IamRole(profile.name, "", (), {}))}
    return {"InstanceProfileName": profile.name, "Roles": [role]}


def _log_group(group: LogGroup) -> dict[str, Any]:
    return {
        "LogGroupName": group.name,
        "LogGroupClass": group.desired()["class"],
        "RetentionInDays": group.retention // durations.DAY,
        "Tags": TAGS.encode(group.tags),
    }


def _metric_filter(each: MetricFilter) -> dict[str, Any]:
    metric = each.transformation().items()
    return {
        "FilterName": each.name,
        "LogGroupName": each.log_group,
        "FilterPattern": each.pattern,
        "MetricTransformations": [{f"{key[0].upper()}{key[1:]}": value for key, value in metric}],
    }


def _refer_to_log_groups(entries: Entries) -> None:
    """Let each filter follow the log group that it is in, if that is part of the template."""
    groups = {
        entry["Properties"]["LogGroupName"]: name
        for name, entry in entries.items()
        if entry["Type"] == "AWS::Logs::LogGroup"
    }
    for entry in entries.values():
        if entry["Type"] == "AWS::Logs::MetricFilter":
            properties = entry["Properties"]
            if group := groups.get(properties["LogGroupName"]):
                properties["LogGroupName"] = {"Ref": group}


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {**alarm.parameters(), "Tags": TAGS.encode(alarm.tags)}


def _dashboard(dashboard: Dashboard) -> dict[str, Any]:
    return {"DashboardName": dashboard.name, "DashboardBody": dashboard.body}


def _entry(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    kept = dict.fromkeys(("DeletionPolicy", "UpdateReplacePolicy"), "Retain")
    return {
        "Type": f"AWS::{kind}",
        **(kept if kind in _KEPT else {}),
        "Properties": properties,
    }


#: Class of a resource → its type in a template, and what returns its properties.
_FORMS: Final[Mapping[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    AwsSecret: ("SecretsManager::Secret", _secret),
    IamPolicy: ("IAM::ManagedPolicy", _policy),
    IamRole: ("IAM::Role", _role),
    InstanceProfile: ("IAM::InstanceProfile", _profile),
    LogGroup: ("Logs::LogGroup", _log_group),
    MetricFilter: ("Logs::MetricFilter", _metric_filter),
    Alarm: ("CloudWatch::Alarm", _alarm),
    Dashboard: ("CloudWatch::Dashboard", _dashboard),
}
