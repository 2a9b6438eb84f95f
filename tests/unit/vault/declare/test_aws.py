"""Environment on AWS: its file has an account, and nothing about a Vault server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.models.aws_declared import (
    ENVIRONMENT,
    SCOPE,
    SERVICE,
    declare_on_aws,
    declare_watched,
)
from vault.declare.errors import DeclarationError
from vault.declare.load import load
from vault.declare.schema.aws import AWS_KEY


def error(folder: Path, declare: Callable[..., object] = declare_on_aws, **parts: Any) -> str:
    with pytest.raises(DeclarationError) as caught:
        declare(folder, **parts)
    (line,) = str(caught.value).splitlines()
    return line


def test_environment_on_aws_declares_nothing_about_vault(tmp_path: Path) -> None:
    declared = declare_on_aws(tmp_path).environment("cloud")
    assert declared.aws is not None
    assert (declared.aws.account, declared.aws.region) == ("123456789012", "eu-central-1")


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("vault", {"address": "https://vault.example.com:8200"}),
        ("tokens", {"period": "1h", "secret_id_ttl": "30d", "wrap_ttl": "2m"}),
        ("agent", {"render_interval": "5m"}),
        ("quotas", {"logins": {"path": "auth/approle/login", "rate": 50}}),
        ("password_policies", {"database": {"length": 32}}),
    ],
)
def test_section_about_vault_is_refused_on_aws(tmp_path: Path, section: str, value: Any) -> None:
    found = error(tmp_path, **{section: value})
    assert f"has the key '{section}' (expected nothing, as the environment is on AWS" in found


@pytest.mark.parametrize(("key", "value"), [("login", {"approle": {}}), ("colours", ["blue"])])
def test_key_of_a_service_about_vault_is_refused_on_aws(
    tmp_path: Path, key: str, value: Any
) -> None:
    found = error(tmp_path, services={"shop": {key: value}})
    assert f"has the key '{key}' (expected nothing, as the environment is on AWS" in found


@pytest.mark.parametrize("period", ["90d", "2160h", "2560d"])
def test_key_that_rotates_as_kms_can_is_accepted(tmp_path: Path, period: str) -> None:
    keys = {"pii": {"allow": ["encrypt"], "rotate_every": period}}
    declared = declare_on_aws(tmp_path, service={"keys": keys})
    assert declared.service("shop").keys["pii"].rotate_every


@pytest.mark.parametrize("period", ["30d", "89d", "2161h", "2561d"])
def test_key_that_rotates_as_kms_cannot_is_refused(tmp_path: Path, period: str) -> None:
    keys = {"pii": {"allow": ["encrypt"], "rotate_every": period}}
    found = error(tmp_path, service={"keys": keys})
    assert f"whose key 'pii' rotates every {period} (expected whole days from 90d" in found


@pytest.mark.parametrize(
    ("part", "value"), [("account", "1234"), ("account", 123456789012), ("region", "Frankfurt")]
)
def test_account_or_region_that_is_none_is_refused(tmp_path: Path, part: str, value: Any) -> None:
    assert part in error(tmp_path, aws={**ENVIRONMENT["aws"], part: value})


KEY: Final = "arn:aws:kms:eu-central-1:123456789012:key/1234-ab"


STATEMENT: Final = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}


def test_hardening_is_declared(tmp_path: Path) -> None:
    policy = {"Version": "2012-10-17", "Statement": [STATEMENT]}
    aws = {"kms": {"policy": policy}, "kms_key": KEY, "replicas": {"eu-west-1": AWS_KEY}}
    own = KEY.replace("1234", "5678")
    services = {"shop": {"kms_key": own}}
    declared = declare_on_aws(tmp_path, aws={**ENVIRONMENT["aws"], **aws}, services=services)
    assert declared.secrets_key(SCOPE) == own
    assert declared.account("cloud").kms_key == KEY


@pytest.mark.parametrize(
    ("aws", "message"),
    [
        ({"kms_key": "alias/mine"}, "the ARN of a KMS key, which is no alias"),
        ({"kms_key": KEY.replace("central", "west")}, "is in eu-west-1 (expected a key in eu-c"),
        ({"replicas": {"eu-west-1": KEY}}, "is in eu-central-1 (expected a key in eu-west-1"),
        ({"replicas": {"eu-central-1": KEY}}, "is the region of the secrets (expected another"),
        ({"replicas": {"Dublin": AWS_KEY}}, "expected a region of AWS"),
        ({"kms": {"policy": {"Version": "2012-10-17", "Statement": []}}}, "statements with"),
        ({"kms": {"policy": {"Version": "2008-10-17", "Statement": [STATEMENT]}}}, "2012-10-17"),
        (
            {"kms": {"policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}}},
            "has no Principal in statement 1 (expected Principal or NotPrincipal)",
        ),
    ],
)
def test_hardening_that_aws_cannot_have_is_refused(
    tmp_path: Path, aws: dict[str, Any], message: str
) -> None:
    assert message in error(tmp_path, aws={**ENVIRONMENT["aws"], **aws})


RDS: Final = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:rds!db-12ab-AbCdEf"


def test_secret_of_others_is_declared_by_its_arn(tmp_path: Path) -> None:
    secrets = {"db": {"source": "given"}}
    services = {"shop": {"secret_arns": {"db": RDS}}}
    declared = declare_on_aws(tmp_path, service={"secrets": secrets}, services=services)
    assert declared.deployment(SCOPE).secret_arns == {"db": RDS}


@pytest.mark.parametrize(
    ("arns", "message"),
    [
        ({"smtp-url": RDS}, "has 'smtp-url', which is not a given secret"),
        ({"smtp-password": RDS}, "has 'smtp-password', from which 'smtp-url' is derived"),
        ({"db": "rds!db-12ab"}, "expected the whole ARN of a secret"),
        ({"db": RDS.replace("central", "west")}, "is in eu-west-1 (expected a secret in eu-cen"),
    ],
)
def test_secret_of_others_that_cannot_be_is_refused(
    tmp_path: Path, arns: dict[str, Any], message: str
) -> None:
    secrets = {**SERVICE["secrets"], "db": {"source": "given"}}
    services = {"shop": {"secret_arns": arns}}
    assert message in error(tmp_path, service={"secrets": secrets}, services=services)


def test_secret_of_others_in_dev_is_refused(tmp_path: Path) -> None:
    declare_on_aws(tmp_path, service={"secrets": {"db": {"source": "given"}}})
    services = {"shop": {"secret_arns": {"db": RDS}}}
    dev = {**ENVIRONMENT, "environment": "dev", "services": services}
    (tmp_path / "environments/dev.yaml").write_text(json.dumps(dev))
    with pytest.raises(DeclarationError, match="nothing in dev, whose local deployment"):
        load(tmp_path, tmp_path)


def test_environment_with_neither_vault_nor_aws_lacks_its_tokens(tmp_path: Path) -> None:
    declare_on_aws(tmp_path)
    file = tmp_path / "environments/cloud.yaml"
    file.write_text("environment: cloud\nowner: a-team\nservices: {shop: {}}\n")
    with pytest.raises(DeclarationError, match="lacks the key 'tokens'"):
        load(tmp_path, tmp_path)


def test_monitoring_has_defaults_but_for_its_topics(tmp_path: Path) -> None:
    declared = declare_watched(tmp_path, alarms={"throttling": {"threshold": 5}})
    monitoring = declared.account("cloud").monitoring
    assert monitoring is not None
    assert (monitoring.log_group, monitoring.retention) == (None, 90 * 24 * 3600)
    assert monitoring.alarms.throttling.threshold == 5
    assert monitoring.alarms.unusual_caller.enabled


@pytest.mark.parametrize(
    ("monitoring", "message"),
    [
        (
            {"log_group": "trail", "trail_bucket": "events"},
            "aws.monitoring has the key 'trail_bucket' (expected nothing beside log_group",
        ),
        ({"trail_bucket": "arn:aws:s3:::events"}, "expected the name of an S3 bucket"),
        ({"page": "on-call"}, "expected the ARN of an SNS topic"),
        (
            {"ticket": "arn:aws:sns:us-east-1:123456789012:team"},
            "aws.monitoring.ticket is in us-east-1 (expected a topic in eu-central-1, as alarms)",
        ),
        ({"retention": "91d"}, "is 91d (expected one of the retentions of CloudWatch"),
        ({"retention": "91d"}, "did you mean '90d'?"),
        (
            {"log_group": "trail", "retention": "30d"},
            "aws.monitoring has the key 'retention' (expected nothing beside log_group",
        ),
        ({"alarms": {"throtling": {}}}, "did you mean 'throttling'?"),
        ({"alarms": {"throttling": {"treshold": 1}}}, "did you mean 'threshold'?"),
        ({"iam_roles": ["arn:aws:iam::123456789012:role/a"]}, "the name of an IAM role"),
    ],
)
def test_monitoring_that_aws_cannot_have_is_refused(
    tmp_path: Path, monitoring: dict[str, Any], message: str
) -> None:
    assert message in error(tmp_path, declare_watched, **monitoring)


def test_watched_service_without_roles_is_refused(tmp_path: Path) -> None:
    declare_watched(tmp_path)
    file = tmp_path / "environments/cloud.yaml"
    file.write_text(file.read_text().replace('"iam_roles": ["shop-task"]', ""))
    with pytest.raises(DeclarationError, match="shop lacks the key 'iam_roles'"):
        load(tmp_path, tmp_path)


def test_roles_of_an_environment_on_vault_are_refused(tmp_path: Path) -> None:
    declare_watched(tmp_path)
    (tmp_path / "environments/dev.yaml").write_text(
        "{environment: dev, owner: a-team, tokens: {period: 1h, secret_id_ttl: 1d, wrap_ttl: 2m},"
        " agent: {render_interval: 5m}, services: {shop: {iam_roles: [shop-task]}}}"
    )
    with pytest.raises(
        DeclarationError, match="expected nothing, as the environment is not on AWS"
    ):
        load(tmp_path, tmp_path)


OIDC: Final = {"issuer": "https://issuer.example.com", "subject": "repo:shops/{service}:x"}


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({}, "trusts nothing (expected trust, oidc or both"),
        ({"trust": []}, "is an empty list"),
        ({"trust": ["eks"]}, "'eks'"),
        ({"trust": ["task", "task"]}, "contains 'task' twice"),
        ({"oidc": {"issuer": OIDC["issuer"]}}, "lacks the key 'subject'"),
        (
            {"oidc": {**OIDC, "issuer": "http://issuer.example.com"}},
            "expected the https:// address",
        ),
        ({"oidc": {**OIDC, "issuer": "https://issuer.example.com/"}}, "without a slash"),
        (
            {"oidc": {**OIDC, "subject": "repo:shops/*"}},
            "expected a whole subject, without * and ?",
        ),
        ({"oidc": {**OIDC, "subject": "repo:shops/sho?"}}, "expected a whole subject"),
        ({"oidc": {**OIDC, "subject": "${aws:username}"}}, "expected a whole subject"),
        ({"oidc": {**OIDC, "subject": "{environment}"}}, "expected a whole subject"),
        ({"oidc": {**OIDC, "audience": "*"}}, "expected one audience, without * and ?"),
    ],
)
def test_roles_that_aws_cannot_have_are_refused(
    tmp_path: Path, roles: dict[str, Any], message: str
) -> None:
    assert message in error(tmp_path, aws={**ENVIRONMENT["aws"], "roles": roles})


def test_subject_that_several_services_would_share_is_refused(tmp_path: Path) -> None:
    declare_on_aws(tmp_path)
    other = {**SERVICE, "service": "till"}
    (tmp_path / "services/till.yaml").write_text(json.dumps(other))
    services: dict[str, Any] = {"shop": {}, "till": {}}

    def write(subject: str, **parts: Any) -> None:
        roles = {"oidc": {**OIDC, "subject": subject}}
        aws = {**ENVIRONMENT["aws"], "roles": roles}
        data = {**ENVIRONMENT, "aws": aws, "services": {**services, **parts}}
        (tmp_path / "environments/cloud.yaml").write_text(json.dumps(data))
        load(tmp_path)

    with pytest.raises(DeclarationError, match=r"is 'repo:shops' for shop or till .*\{service\}"):
        write("repo:shops")
    write("repo:{service}")
    write("repo:shops", till={"roles": {"trust": ["task"]}})


def test_monitoring_without_topics_is_enough_and_needs_roles(tmp_path: Path) -> None:
    aws = {**ENVIRONMENT["aws"], "monitoring": {}}
    assert "lacks the key 'iam_roles'" in error(tmp_path, aws=aws)
    declared = declare_on_aws(tmp_path, aws={**aws, "roles": {"trust": ["task"]}})
    assert declared.account("cloud").monitoring is not None


def test_roles_are_enough_for_monitoring(tmp_path: Path) -> None:
    watched = declare_watched(tmp_path / "a").account("cloud").monitoring
    assert watched is not None
    monitoring = watched.model_dump(exclude_unset=True, mode="json")
    aws = {**ENVIRONMENT["aws"], "monitoring": monitoring, "roles": {"trust": ["task"]}}
    assert declare_on_aws(tmp_path / "b", aws=aws).iam_roles(SCOPE) == ("shop-cloud",)
