"""The IAM policy of the operator of one environment: what its commands call, and nothing else.

It is derived from the resources that ``apply`` writes, so it names no object that is not declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from app_integration.names import Environment
from app_integration.sources.aws import CURRENT
from aws.account import Account
from aws.desired import desired_resources, environment_tags
from aws.iam.service_policy import (
    MAX_LENGTH,
    STAGE,
    VERSION,
    check_length,
    policy_length,
    use_secret_keys,
)
from aws.monitoring.monitored_environment import Watched, find_watched
from aws.resources import AwsResource
from aws.resources.iam_policy import IamPolicy
from aws.resources.iam_role import IamRole, InstanceProfile
from aws.resources.kms_key import KmsKey
from aws.resources.rotation import AwsRotation
from aws.resources.secret import AwsSecret
from aws.resources.topic import Topic
from aws.resources.trail import Trail
from aws.resources.values import AwsDerivedValue
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs

_T = TypeVar("_T")
Statement = dict[str, Any]
_SECRETS: Final = (
    "CreateSecret DescribeSecret ListSecretVersionIds PutSecretValue ReplicateSecretToRegions"
    " RestoreSecret TagResource UntagResource UpdateSecret UpdateSecretVersionStage"
)
_READ_KEYS: Final = "DescribeKey GetKeyPolicy GetKeyRotationStatus ListResourceTags"
_WRITE_KEYS: Final = (
    "CancelKeyDeletion EnableKey EnableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource"
    " UpdateKeyDescription"
)
_POLICIES: Final = (
    "CreatePolicy CreatePolicyVersion DeletePolicyVersion GetPolicy GetPolicyVersion"
    " ListPolicyVersions TagPolicy"
)
_ROLES: Final = "CreateRole GetRole ListAttachedRolePolicies TagRole UpdateAssumeRolePolicy"
_PROFILES: Final = (
    "AddRoleToInstanceProfile CreateInstanceProfile GetInstanceProfile"
    " RemoveRoleFromInstanceProfile"
)
_LOGS: Final = (
    "CreateLogGroup DescribeMetricFilters ListTagsForResource PutMetricFilter PutRetentionPolicy"
    " TagResource"
)
_TOPICS: Final = "CreateTopic GetTopicAttributes ListTagsForResource SetTopicAttributes TagResource"
_ALARMS: Final = "ListTagsForResource PutMetricAlarm TagResource"
_TRAIL: Final = "AddTags CreateTrail GetTrail GetTrailStatus ListTags StartLogging UpdateTrail"


def operator_policies(declaration: Declaration, environment: Environment) -> list[dict[str, Any]]:
    """Return the policy documents of who plans, applies, rotates and reports an environment.

    There are several if one would be longer than IAM allows. A role has them all.
    """
    account = Account.of(declaration.account(environment))
    resources = desired_resources(declaration, environment, Inputs())
    tags = environment_tags(declaration, environment)
    statements = [
        *_secrets(resources, account),
        *_keys(resources, account, {name: tags[name] for name in ("deployment", "environment")}),
        *_identities(resources, account),
        *_watching(find_watched(declaration, environment), resources, account),
    ]
    found = [*_pack(statements)]
    for each in found:
        hint = "declare some services in another environment"
        check_length(each, f"the operator of {environment}", hint)
    return found


def _pack(statements: Iterable[Statement]) -> Iterator[dict[str, Any]]:
    """Yield documents with as many of the statements as each has room for."""
    document: dict[str, Any] = {"Version": VERSION, "Statement": []}
    for each in statements:
        more = {**document, "Statement": [*document["Statement"], each]}
        if document["Statement"] and policy_length(more) > MAX_LENGTH:
            yield document
            more = {**document, "Statement": [each]}
        document = more
    yield document


def _allow(
    sid: str, service: str, actions: str, arns: Iterable[str], **tests: str | Sequence[str]
) -> Iterator[Statement]:
    """Yield the statement that allows *actions* on *arns*, none if there are none."""
    if resources := sorted({*arns}):
        condition = {"Condition": {"StringEquals": tests}} if tests else {}
        names = [f"{service}:{each}" for each in actions.split()]
        statement = {"Sid": sid, "Effect": "Allow", "Action": names, "Resource": resources}
        yield {**statement, **condition}


def _only(resources: Iterable[AwsResource], kind: type[_T]) -> list[_T]:
    return [each for each in resources if isinstance(each, kind)]


def _secrets(resources: Sequence[AwsResource], account: Account) -> Iterator[Statement]:
    """Yield what is allowed about secrets. A value is read for one that is derived from it only."""
    secrets = _only(resources, AwsSecret)
    begins = {"/".join(each.name.split("/")[:2]) + "/" for each in secrets}
    yield from _allow("Secrets", "secretsmanager", _SECRETS, map(account.secrets, begins))
    parts = {name for each in _only(resources, AwsDerivedValue) for name in each.parts.values()}
    read, stage = map(account.secret, parts), {STAGE: CURRENT}
    yield from _allow("PartsOfSecrets", "secretsmanager", "GetSecretValue", read, **stage)
    keys = {each.kms_key for each in secrets}
    yield from use_secret_keys(keys, [account], ["kms:Decrypt", "kms:GenerateDataKey"])
    rotations = _only(resources, AwsRotation)
    names = [account.secret(each.name) for each in rotations]
    yield from _allow("Rotations", "secretsmanager", "CancelRotateSecret RotateSecret", names)
    functions = [each.function for each in rotations]
    yield from _allow("Function", "lambda", "InvokeFunction", functions)


def _keys(
    resources: Sequence[AwsResource], account: Account, marks: Mapping[str, str | None]
) -> Iterator[Statement]:
    """Yield what is allowed about keys. One without the marks is another owner's: it is shown."""
    keys = _only(resources, KmsKey)
    any_key = [account.any_key] if keys else []
    aliases = [account.arn("kms", each.alias) for each in keys]
    requested = {f"aws:RequestTag/{name}": str(value) for name, value in marks.items()}
    marked = {f"aws:ResourceTag/{name}": str(value) for name, value in marks.items()}
    yield from _allow("ReadKeys", "kms", _READ_KEYS, any_key)
    yield from _allow("NewKeys", "kms", "CreateKey", ["*"] if keys else [], **requested)
    yield from _allow("Keys", "kms", f"CreateAlias {_WRITE_KEYS}", any_key, **marked)
    yield from _allow("Aliases", "kms", "CreateAlias", aliases)


def _identities(resources: Sequence[AwsResource], account: Account) -> Iterator[Statement]:
    """Yield what is allowed about policies and roles. No other policy can be attached."""
    roles = _only(resources, IamRole)
    names = [account.iam(f"role/{each.name}") for each in roles]
    profiles = [each.name for each in _only(resources, InstanceProfile)]
    owned = [account.iam(f"instance-profile/{each}") for each in profiles]
    passed = [account.iam(f"role/{each}") for each in profiles]
    policies = [each.arn for each in _only(resources, IamPolicy)]
    attached = sorted({arn for role in roles for arn in role.policies})
    yield from _allow("Policies", "iam", _POLICIES, policies)
    yield from _allow("Roles", "iam", _ROLES, names)
    if attached:
        only = {"iam:PolicyARN": attached}
        yield from _allow("Permissions", "iam", "AttachRolePolicy", names, **only)
    yield from _allow("Profiles", "iam", _PROFILES, owned)
    to_instances = {"iam:PassedToService": account.service("ec2")}
    yield from _allow("RolesOfInstances", "iam", "PassRole", passed, **to_instances)


def _watching(
    watched: Watched | None, resources: Sequence[AwsResource], account: Account
) -> Iterator[Statement]:
    if watched is None:
        return
    group = account.log_group(watched.log_group)
    yield from _allow("Logs", "logs", _LOGS, [group, f"{group}:*"])
    yield from _allow("ListLogs", "logs", "DescribeLogGroups", ["*"])
    alarms = [account.alarm(watched.name("*"))]
    yield from _allow("Alarms", "cloudwatch", _ALARMS, alarms)
    yield from _allow("ListAlarms", "cloudwatch", "DescribeAlarms", ["*"])
    topics = [each.arn for each in _only(resources, Topic)]
    yield from _allow("Topics", "sns", _TOPICS, topics)
    trails = _only(resources, Trail)
    yield from _allow("Trail", "cloudtrail", _TRAIL, [each.arn for each in trails])
    to_trail = {"iam:PassedToService": account.service("cloudtrail")}
    yield from _allow("RoleOfTrail", "iam", "PassRole", [each.role for each in trails], **to_trail)
    dashboard = f"arn:{account.partition}:cloudwatch::{account.id}:dashboard/{watched.dashboard}"
    yield from _allow("Dashboard", "cloudwatch", "GetDashboard PutDashboard", [dashboard])
    namespace = {"cloudwatch:namespace": watched.namespace}
    yield from _allow("Ledger", "cloudwatch", "PutMetricData", ["*"], **namespace)
