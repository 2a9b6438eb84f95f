"""CloudFormation template of an environment: what it creates leaves values alone to apply."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from app_integration.errors import ConfigurationError
from aws.desired import desired_resources
from aws.resources.dashboard import Dashboard
from aws.template import build_template
from console.target.checkout import DECLARATION
from tests.support.models.aws_declared import (
    ACCOUNT,
    ENVIRONMENT,
    MADE,
    MONITORING,
    SCOPE,
    declare_on_aws,
    declare_watched,
)
from tests.support.models.aws_rotated import AWS
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.moto_server import REGION, MotoServer
from tests.support.servers.provisioning_site import (
    GIVEN,
    VALUE,
    ProvisioningSite,
    lines,
    provisioning_site,
)
from vault.declare.declaration import Declaration
from vault.declare.schema.aws import AWS_KEY
from vault.reconcile.inputs import Inputs

HARDENED: Final[dict[str, Any]] = {
    "kms_key": ACCOUNT.any_key.replace("*", "1234abcd-12ab-34cd-56ef-1234567890ab"),
    "replicas": {"eu-west-1": AWS_KEY},
}


ROLES: Final[dict[str, Any]] = {
    "trust": ["task", "ec2", "lambda"],
    "oidc": {"issuer": "https://issuer.example.com/a", "subject": "repo:shops/{service}:ref:x"},
}
Properties: TypeAlias = dict[str, Any]
#: Returns the client of a service.
Clients: TypeAlias = Callable[[str], Any]
#: Creates a resource and returns what ``Ref`` stands for.
Creator: TypeAlias = Callable[[Clients, Properties], str]


def create_stack(moto: MotoServer, template: Mapping[str, Any]) -> None:
    """Create the resources of a template, in its order. A property that is unknown fails.

    moto's CloudFormation leaves out secrets, filters and alarms, so a stack would show nothing.
    """
    clients, references = cache(moto.client), dict[str, str]()
    for name, entry in template["Resources"].items():
        properties = resolve(entry["Properties"], references)
        if entry["Type"] in _PLAIN:
            service, method, reference = _PLAIN[entry["Type"]]
            created = getattr(clients(service), method)(**properties)
            references[name] = {**properties, **created}[reference]
        else:
            references[name] = _CREATORS[entry["Type"]](clients, properties)


def resolve(part: Any, references: Mapping[str, str]) -> Any:
    """Return *part* with what each reference stands for."""
    if isinstance(part, dict):
        if part.keys() == {"Ref"}:
            return references[part["Ref"]]
        return {key: resolve(each, references) for key, each in part.items()}
    return [resolve(each, references) for each in part] if isinstance(part, list) else part


def _create_role(clients: Clients, properties: Properties) -> str:
    iam, policies = clients("iam"), properties.pop("ManagedPolicyArns")
    trust = json.dumps(properties.pop("AssumeRolePolicyDocument"))
    iam.create_role(AssumeRolePolicyDocument=trust, **properties)
    for policy in policies:
        iam.attach_role_policy(RoleName=properties["RoleName"], PolicyArn=policy)
    return str(properties["RoleName"])


def _create_profile(clients: Clients, properties: Properties) -> str:
    iam, roles = clients("iam"), properties.pop("Roles")
    iam.create_instance_profile(**properties)
    for role in roles:
        iam.add_role_to_instance_profile(RoleName=role, **properties)
    return str(properties["InstanceProfileName"])


def _create_topic(clients: Clients, properties: Properties) -> str:
    return str(
        clients("sns").create_topic(Name=properties.pop("TopicName"), **properties)["TopicArn"]
    )


def _set_topic_policy(clients: Clients, properties: Properties) -> str:
    (topic,), policy = properties.pop("Topics"), json.dumps(properties.pop("PolicyDocument"))
    assert not properties
    clients("sns").set_topic_attributes(
        TopicArn=topic, AttributeName="Policy", AttributeValue=policy
    )
    return str(topic)


def _create_trail(clients: Clients, properties: Properties) -> str:
    trails, name = clients("cloudtrail"), properties.pop("TrailName")
    is_logging, tags = properties.pop("IsLogging"), properties.pop("Tags")
    trails.create_trail(Name=name, TagsList=tags, **properties)
    if is_logging:
        trails.start_logging(Name=name)
    return str(name)


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


def _camel_case(properties: Properties) -> Properties:
    return {f"{key[0].lower()}{key[1:]}": value for key, value in properties.items()}


#: Type → service, its method with the same properties, and the property or result for ``Ref``.
_PLAIN: Final = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "put_metric_alarm", "AlarmName"),
    "AWS::CloudWatch::Dashboard": ("cloudwatch", "put_dashboard", "DashboardName"),
    "AWS::KMS::Alias": ("kms", "create_alias", "AliasName"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "create_secret", "ARN"),
}
_CREATORS: Final[Mapping[str, Creator]] = {
    "AWS::CloudTrail::Trail": _create_trail,
    "AWS::IAM::InstanceProfile": _create_profile,
    "AWS::IAM::ManagedPolicy": _create_policy,
    "AWS::IAM::Role": _create_role,
    "AWS::KMS::Key": _create_key,
    "AWS::Logs::LogGroup": _create_log_group,
    "AWS::Logs::MetricFilter": _create_metric_filter,
    "AWS::SNS::Topic": _create_topic,
    "AWS::SNS::TopicPolicy": _set_topic_policy,
}


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return declare_watched(tmp_path, roles=ROLES, **MADE)


@pytest.fixture
def site(moto: MotoServer) -> Iterator[ProvisioningSite]:
    moto.reset()
    with provisioning_site(moto) as running:
        yield running
    moto.reset()


def template_of(declaration: Declaration, inputs: Inputs = GIVEN) -> dict[str, Any]:
    return build_template(desired_resources(declaration, SCOPE.environment, inputs), "A test.")


def properties(template: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the properties of the resources of a kind."""
    entries = template["Resources"].values()
    return [entry["Properties"] for entry in entries if entry["Type"] == f"AWS::{kind}"]


def test_plan_after_the_template_has_values_and_tags_of_policies_only(
    site: ProvisioningSite, moto: MotoServer, declaration: Declaration
) -> None:
    template = template_of(declaration)
    site.create_bucket()
    assert template["Metadata"]["LeftToApply"] == ["derived-secret", "secret-value"]
    create_stack(moto, template)
    plan = site.plan(declaration)
    assert lines(plan) == [
        "create secret-value shop/cloud/password value",
        "create secret-value shop/cloud/smtp-password value",
        "create derived-secret shop/cloud/smtp-url value",
        # CloudFormation knows no tags of a managed policy.
        "update iam-policy shop-cloud managed_by,deployment,owner,environment",
        "update iam-policy cloud_strongroom managed_by,deployment,owner,environment",
    ]
    site.apply(plan)
    assert lines(site.plan(declaration)) == []


def test_template_has_the_key_and_replicas_of_secrets(tmp_path: Path) -> None:
    template = template_of(declare_on_aws(tmp_path, aws={**ENVIRONMENT["aws"], **HARDENED}))
    for secret in properties(template, "SecretsManager::Secret"):
        assert secret["KmsKeyId"] == HARDENED["kms_key"]
        assert secret["ReplicaRegions"] == [{"Region": "eu-west-1", "KmsKeyId": AWS_KEY}]


def test_template_has_what_the_server_does_not_return(declaration: Declaration) -> None:
    template = template_of(declaration)
    periods = [each["RotationPeriodInDays"] for each in properties(template, "KMS::Key")]
    assert sorted(periods) == [90, 365]
    assert properties(template, "Logs::LogGroup")[0]["LogGroupClass"] == "STANDARD"


def test_template_contains_no_value(declaration: Declaration) -> None:
    text = json.dumps(template_of(declaration))
    assert VALUE not in text
    assert "SecretString" not in text
    assert text == json.dumps(template_of(declaration, Inputs()))


def test_deleted_stack_keeps_what_nothing_brings_back(declaration: Declaration) -> None:
    entries = template_of(declaration)["Resources"].values()
    kept = {entry["Type"] for entry in entries if entry.get("DeletionPolicy") == "Retain"}
    assert kept == {
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::SecretsManager::Secret",
    }


def test_role_refers_to_the_policy_and_the_profile_to_the_role(declaration: Declaration) -> None:
    template = template_of(declaration)
    entries = template["Resources"]
    (profile,) = properties(template, "IAM::InstanceProfile")
    role = entries[profile["Roles"][0]["Ref"]]["Properties"]
    assert role["RoleName"] == "shop-cloud"
    (policy,) = role["ManagedPolicyArns"]
    assert entries[policy["Ref"]]["Properties"]["ManagedPolicyName"] == "shop-cloud"


def test_trail_waits_for_what_it_names_and_alarms_refer_to_topics(declaration: Declaration) -> None:
    template = template_of(declaration)
    entries = template["Resources"]
    (trail,) = (each for each in entries.values() if each["Type"] == "AWS::CloudTrail::Trail")
    assert {entries[each]["Type"] for each in trail["DependsOn"]} == {
        "AWS::IAM::Role",
        "AWS::Logs::LogGroup",
    }
    for alarm in properties(template, "CloudWatch::Alarm"):
        (topic,) = alarm["AlarmActions"]
        assert entries[topic["Ref"]]["Type"] == "AWS::SNS::Topic"


def test_filter_refers_to_the_log_group_unless_it_is_the_team_s_own(tmp_path: Path) -> None:
    template = template_of(declare_watched(tmp_path / "a"))
    (group,) = (name for name in template["Resources"] if name.startswith("LogGroup"))
    groups = [each["LogGroupName"] for each in properties(template, "Logs::MetricFilter")]
    assert groups == [{"Ref": group}] * 5
    template = template_of(declare_watched(tmp_path / "b", log_group="trail"))
    groups = [each["LogGroupName"] for each in properties(template, "Logs::MetricFilter")]
    assert groups == ["trail"] * 5


def test_names_that_differ_in_a_separator_stay_apart() -> None:
    dashboards = [Dashboard("a-b", "{}"), Dashboard("a/b", "{}"), Dashboard("c" * 300, "{}")]
    names = build_template(dashboards, "A test.")["Resources"].keys()
    assert len(names) == 3
    assert all(name.isalnum() and len(name) <= 255 for name in names)


def test_template_with_more_than_a_stack_may_have_is_refused() -> None:
    dashboards = [Dashboard(str(number), "{}") for number in range(501)]
    with pytest.raises(
        ConfigurationError, match="has 501 resources, and CloudFormation allows 500"
    ):
        build_template(dashboards, "A test.")


def test_command_writes_a_template_without_a_finding_of_cfn_lint(
    tmp_path: Path, command_line: CommandLine
) -> None:
    monitoring = {"iam_roles": MONITORING["iam_roles"], "trail_bucket": MADE["trail_bucket"]}
    declare_on_aws(
        tmp_path,
        aws={**AWS, "monitoring": monitoring, "roles": ROLES, **HARDENED},
        services={"shop": {"iam_roles": ["shop-task"]}},
    )
    command_line.monkeypatch.setenv(DECLARATION, str(tmp_path))
    file = tmp_path / "cloud.template.json"
    arguments = ("environments", "template", "cloud")
    assert run_command(command_line.monkeypatch, *arguments, "--out", str(file)) == 0
    command_line.capsys.readouterr()
    assert run_command(command_line.monkeypatch, *arguments) == 0
    assert command_line.capsys.readouterr().out == file.read_text()
    linter = Path(sys.executable).with_name("cfn-lint")
    options = ["--regions", REGION, "--include-checks", "I"]
    run = subprocess.run(
        [linter, *options, "--", file], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr, run.returncode) == ("", "", 0)
    entries = json.loads(file.read_text())["Resources"]
    function = entries["RotationFunction"]["Properties"]
    role = function["Role"]["Fn::GetAtt"][0]
    assert entries[role]["Properties"]["RoleName"] == "strongroom-rotation_cloud"
    permission = entries["RotationFunctionPermission"]["Properties"]
    assert permission["SourceAccount"] == ACCOUNT.id


def test_command_for_an_environment_on_vault_is_refused(
    tmp_path: Path, command_line: CommandLine
) -> None:
    declare_on_aws(tmp_path)
    (tmp_path / "environments/dev.yaml").write_text(
        "{environment: dev, owner: a-team, tokens: {period: 1h, secret_id_ttl: 1d, wrap_ttl: 2m},"
        " agent: {render_interval: 5m}, services: {shop: {}}}"
    )
    command_line.monkeypatch.setenv(DECLARATION, str(tmp_path))
    command_line.assert_rejected(1, "dev is not on AWS", "environments", "template", "dev")
