"""Trust policy of a service's role: what may assume it, and each other caller is denied."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.names import Environment, Scope
from aws.account import Account
from aws.desired import desired_resources
from aws.iam.evaluation import ApiCall, Principal, find_principals, is_granted_to
from aws.iam.trust_policy import ASSUME, SOURCE_ACCOUNT, WEB_IDENTITY, service_trust
from aws.iam.widening import policy_widening
from aws.resources import policy_text
from aws.resources.iam_role import IamRole, InstanceProfile
from aws.resources.metric_filter import MetricFilter
from tests.support.models.aws_declared import (
    ACCOUNT,
    ENVIRONMENT,
    MONITORING,
    SCOPE,
    declare_on_aws,
)
from tests.support.models.aws_rotated import AWS, NAME, declare_rotated
from vault.declare.declaration import Declaration
from vault.declare.errors import DeclarationError
from vault.reconcile.inputs import Inputs

FUNCTION_ROLE: Final = f"{NAME}_cloud"
HOST: Final = "oidc.eks.eu-central-1.amazonaws.com/id/ABC"
OIDC: Final = {
    "issuer": f"https://{HOST}",
    "subject": "system:serviceaccount:shops:{service}",
}
PROVIDER: Final = ("Federated", f"arn:aws:iam::{ACCOUNT.id}:oidc-provider/{HOST}")
AUD: Final = f"{HOST}:aud"
SUB: Final = f"{HOST}:sub"
TOKEN: Final = {AUD: "sts.amazonaws.com", SUB: "system:serviceaccount:shops:shop"}
TASK: Final = ("Service", "ecs-tasks.amazonaws.com")
HERE: Final = {SOURCE_ACCOUNT: ACCOUNT.id}


def declare(folder: Path, roles: dict[str, Any], **sections: Any) -> Declaration:
    return declare_on_aws(folder, aws={**ENVIRONMENT["aws"], "roles": roles}, **sections)


def trust_of(folder: Path, **roles: Any) -> dict[str, Any]:
    owners = declare(folder, roles).role_owners(SCOPE)
    assert owners is not None
    return service_trust(ACCOUNT, SCOPE, owners)


def is_trusted(
    trust: dict[str, Any], principal: Principal, action: str, context: dict[str, str]
) -> bool:
    return is_granted_to(trust, ApiCall(action, "*", context), principal)


@pytest.mark.parametrize(
    ("kind", "principal", "context"),
    [
        ("task", TASK, HERE),
        ("ec2", ("Service", "ec2.amazonaws.com"), {}),
        ("lambda", ("Service", "lambda.amazonaws.com"), {}),
    ],
)
def test_role_is_had_by_the_declared_kind_of_process_alone(
    kind: str, principal: Principal, context: dict[str, str], tmp_path: Path
) -> None:
    trust = trust_of(tmp_path, trust=[kind])
    assert is_trusted(trust, principal, ASSUME, context)
    assert not is_trusted(trust, principal, WEB_IDENTITY, context)
    assert not is_trusted(trust, ("Service", "ecs.amazonaws.com"), ASSUME, context)
    assert not is_trusted(trust, ("AWS", ACCOUNT.root), ASSUME, context)
    assert not is_trusted(trust, PROVIDER, WEB_IDENTITY, TOKEN)


@pytest.mark.parametrize("context", [{}, {SOURCE_ACCOUNT: "210987654321"}])
def test_role_is_not_had_by_a_task_of_another_account(
    context: dict[str, str], tmp_path: Path
) -> None:
    assert not is_trusted(trust_of(tmp_path, trust=["task"]), TASK, ASSUME, context)


def test_role_is_had_by_tokens_of_the_declared_subject(tmp_path: Path) -> None:
    trust = trust_of(tmp_path, oidc=OIDC)
    assert is_trusted(trust, PROVIDER, WEB_IDENTITY, TOKEN)
    assert not is_trusted(trust, TASK, ASSUME, HERE)


@pytest.mark.parametrize(
    ("principal", "action", "context"),
    [
        (PROVIDER, WEB_IDENTITY, {**TOKEN, SUB: "system:serviceaccount:shops:other"}),
        (PROVIDER, WEB_IDENTITY, {**TOKEN, SUB: "system:serviceaccount:shops:shop2"}),
        (PROVIDER, WEB_IDENTITY, {**TOKEN, SUB: "system:serviceaccount:shops:Shop"}),
        (PROVIDER, WEB_IDENTITY, {**TOKEN, SUB: "system:serviceaccount:shops:{service}"}),
        (PROVIDER, WEB_IDENTITY, {**TOKEN, AUD: "another"}),
        (PROVIDER, WEB_IDENTITY, {AUD: TOKEN[AUD]}),
        (PROVIDER, WEB_IDENTITY, {SUB: TOKEN[SUB]}),
        (PROVIDER, WEB_IDENTITY, {}),
        (PROVIDER, ASSUME, TOKEN),
        ((PROVIDER[0], f"{PROVIDER[1]}D"), WEB_IDENTITY, TOKEN),
        ((PROVIDER[0], PROVIDER[1].replace(ACCOUNT.id, "210987654321")), WEB_IDENTITY, TOKEN),
        (("AWS", "*"), WEB_IDENTITY, TOKEN),
    ],
)
def test_role_is_not_had_by_any_other_token(
    principal: Principal, action: str, context: dict[str, str], tmp_path: Path
) -> None:
    assert not is_trusted(trust_of(tmp_path, oidc=OIDC), principal, action, context)


def without_subject(statement: dict[str, Any]) -> None:
    del statement["Condition"]["StringEquals"][SUB]


def another_audience(statement: dict[str, Any]) -> None:
    statement["Condition"]["StringEquals"][AUD] = ["sts.amazonaws.com", "another"]


def another_subject(statement: dict[str, Any]) -> None:
    statement["Condition"]["StringEquals"][SUB] = "system:serviceaccount:shops:other"


def anybody(statement: dict[str, Any]) -> None:
    statement["Principal"] = "*"


@pytest.mark.parametrize("plant", [without_subject, another_audience, another_subject, anybody])
def test_planted_widening_of_a_trust_policy_is_found(
    plant: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    trust = trust_of(tmp_path, oidc=OIDC)
    before = policy_text(trust)
    plant(trust["Statement"][0])
    (line,) = policy_widening(before, policy_text(trust))
    assert line.startswith(WEB_IDENTITY.lower())
    assert policy_widening(before, before) == []


def test_trust_that_ends_widens_nothing(tmp_path: Path) -> None:
    both = trust_of(tmp_path, trust=["task", "lambda"])
    fewer = {**both, "Statement": both["Statement"][:1]}
    assert policy_widening(policy_text(both), policy_text(fewer)) == []
    assert policy_widening(policy_text(fewer), policy_text(both)) == [
        "sts:assumerole on * for lambda.amazonaws.com"
    ]


def test_each_service_has_a_role_with_its_policy_and_instances_a_profile(tmp_path: Path) -> None:
    declaration = declare(tmp_path, {"trust": ["ec2"]})
    made = desired_resources(declaration, SCOPE.environment, Inputs())
    kinds = [(each.kind, each.name) for each in made]
    order = [kinds.index((kind, "shop-cloud")) for kind in ("iam-policy", "iam-role")]
    assert order == sorted(order)
    (role,) = (each for each in made if isinstance(each, IamRole))
    assert role.policies == (ACCOUNT.policy("shop-cloud"),)
    assert [each.name for each in made if isinstance(each, InstanceProfile)] == ["shop-cloud"]
    assert declaration.iam_roles(SCOPE) == ("shop-cloud",)


def test_role_of_a_service_that_needs_nothing_has_no_policy(tmp_path: Path) -> None:
    declaration = declare(tmp_path, {"trust": ["task"]}, service={"secrets": {}, "keys": {}})
    (role,) = desired_resources(declaration, SCOPE.environment, Inputs())
    assert isinstance(role, IamRole)
    assert role.policies == ()


def test_roles_of_a_service_are_in_place_of_those_of_the_environment(tmp_path: Path) -> None:
    services = {"shop": {"roles": {"trust": ["lambda"]}}}
    owners = declare(tmp_path, {"trust": ["task"]}, services=services).role_owners(SCOPE)
    assert owners is not None
    assert owners.trust == ("lambda",)


def test_instances_in_china_have_a_principal_of_their_own() -> None:
    account = Account(ACCOUNT.id, "cn-north-1")
    assert account.service("ec2") == "ec2.amazonaws.com.cn"
    assert account.service("lambda") == "lambda.amazonaws.com"


def test_longest_names_fit_into_the_name_of_a_role() -> None:
    assert len(str(Scope("s" * 40, Environment("e" * 20)))) <= 64


def test_principals_of_each_statement_are_one(tmp_path: Path) -> None:
    trust = trust_of(tmp_path, trust=["task", "ec2", "lambda"], oidc=OIDC)
    assert [len(find_principals(each)) for each in trust["Statement"]] == [1, 1, 1, 1]


def rotation_role(folder: Path, **sections: Any) -> IamRole:
    aws = {**AWS, "roles": {"trust": ["task"]}}
    declaration = declare_rotated(folder, aws=aws, **sections)
    made = desired_resources(declaration, SCOPE.environment, Inputs())
    return next(each for each in made if isinstance(each, IamRole) and each.name == FUNCTION_ROLE)


def test_rotation_function_has_a_role_that_lambda_alone_has(tmp_path: Path) -> None:
    role = rotation_role(tmp_path)
    trust = json.loads(role.trust)
    assert is_trusted(trust, ("Service", "lambda.amazonaws.com"), ASSUME, {})
    assert not is_trusted(trust, TASK, ASSUME, HERE)
    assert role.policies == (
        ACCOUNT.policy(FUNCTION_ROLE),
        "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
    )


def test_rotation_function_without_databases_needs_no_network(tmp_path: Path) -> None:
    role = rotation_role(tmp_path, services={"shop": {}})
    assert role.policies[1].endswith("service-role/AWSLambdaBasicExecutionRole")


def test_rotation_function_has_no_role_in_an_environment_without_roles(tmp_path: Path) -> None:
    made = desired_resources(declare_rotated(tmp_path), SCOPE.environment, Inputs())
    assert not [each for each in made if isinstance(each, IamRole)]


def test_role_of_the_rotation_function_is_no_unusual_caller(tmp_path: Path) -> None:
    aws = {**AWS, "roles": {"trust": ["task"]}, "monitoring": MONITORING}
    made = desired_resources(declare_rotated(tmp_path, aws=aws), SCOPE.environment, Inputs())
    callers = [each.pattern for each in made if isinstance(each, MetricFilter)]
    reads = [each for each in callers if '$.eventName = "GetSecretValue"' in each]
    assert len(reads) == 2
    assert all(f":assumed-role/{FUNCTION_ROLE}/*" in each for each in reads)


def test_name_of_a_function_that_is_too_long_for_its_role_is_refused(tmp_path: Path) -> None:
    aws = {**AWS, "rotation_function": "f" * 60, "roles": {"trust": ["task"]}}
    with pytest.raises(DeclarationError, match=r"has more than 64 characters \(expected a shorter"):
        declare_rotated(tmp_path, aws=aws)
