"""A CloudFormation template on moto's server: each resource is created by its own service.

moto's CloudFormation leaves out secrets, filters and alarms, so that a stack would show nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeAlias

from tests.support.servers.moto_server import MotoServer

Properties: TypeAlias = dict[str, Any]
#: Returns the client of a service.
Clients: TypeAlias = Callable[[str], Any]
#: Creates a resource and returns what ``Ref`` stands for.
Creator: TypeAlias = Callable[[Clients, Properties], str]


def create_stack(moto: MotoServer, template: Mapping[str, Any]) -> None:
    """Create the resources of a template, in its order. A property that is unknown fails."""
    clients, references = cache(moto.client), dict[str, str]()
    for name, entry in template["Resources"].items():
        properties = {
            key: references[value["Ref"]] if isinstance(value, dict) and "Ref" in value else value
            for key, value in entry["Properties"].items()
        }
        references[name] = _CREATORS[entry["Type"]](clients, properties)


def _create_key(clients: Clients, properties: Properties) -> str:
    kms = clients("kms")
    tags = [{"TagKey": each["Key"], "TagValue": each["Value"]} for each in properties.pop("Tags")]
    policy = json.dumps(properties.pop("KeyPolicy"))
    rotates, is_enabled = properties.pop("EnableKeyRotation"), properties.pop("Enabled")
    days = properties.pop("RotationPeriodInDays", None)
    key: str = kms.create_key(Policy=policy, Tags=tags, **properties)["KeyMetadata"]["KeyId"]
    if rotates:
        kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=days)
    if not is_enabled:
        kms.disable_key(KeyId=key)
    return key


def _create_alias(clients: Clients, properties: Properties) -> str:
    clients("kms").create_alias(**properties)
    return str(properties["AliasName"])


def _create_secret(clients: Clients, properties: Properties) -> str:
    return str(clients("secretsmanager").create_secret(**properties)["ARN"])


def _create_policy(clients: Clients, properties: Properties) -> str:
    created = clients("iam").create_policy(
        PolicyName=properties.pop("ManagedPolicyName"),
        PolicyDocument=json.dumps(properties.pop("PolicyDocument")),
        **properties,
    )
    return str(created["Policy"]["Arn"])


def _create_log_group(clients: Clients, properties: Properties) -> str:
    logs, name = clients("logs"), str(properties.pop("LogGroupName"))
    tags = {each["Key"]: each["Value"] for each in properties.pop("Tags")}
    kind, days = properties.pop("LogGroupClass"), properties.pop("RetentionInDays")
    logs.create_log_group(logGroupName=name, logGroupClass=kind, tags=tags, **properties)
    logs.put_retention_policy(logGroupName=name, retentionInDays=days)
    return name


def _create_metric_filter(clients: Clients, properties: Properties) -> str:
    parameters = _camel_case(properties)
    parameters["metricTransformations"] = [
        _camel_case(each) for each in properties["MetricTransformations"]
    ]
    clients("logs").put_metric_filter(**parameters)
    return str(properties["FilterName"])


def _create_alarm(clients: Clients, properties: Properties) -> str:
    clients("cloudwatch").put_metric_alarm(**properties)
    return str(properties["AlarmName"])


def _create_dashboard(clients: Clients, properties: Properties) -> str:
    clients("cloudwatch").put_dashboard(**properties)
    return str(properties["DashboardName"])


def _camel_case(properties: Properties) -> Properties:
    return {f"{key[0].lower()}{key[1:]}": value for key, value in properties.items()}


_CREATORS: Final[Mapping[str, Creator]] = {
    "AWS::CloudWatch::Alarm": _create_alarm,
    "AWS::CloudWatch::Dashboard": _create_dashboard,
    "AWS::IAM::ManagedPolicy": _create_policy,
    "AWS::KMS::Alias": _create_alias,
    "AWS::KMS::Key": _create_key,
    "AWS::Logs::LogGroup": _create_log_group,
    "AWS::Logs::MetricFilter": _create_metric_filter,
    "AWS::SecretsManager::Secret": _create_secret,
}
