"""Rotations that plan and apply configure on moto's server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.secret import Secret
from tests.support.models.aws_declared import ACCOUNT, SCOPE, declare_on_aws
from tests.support.models.aws_rotated import ARN, SECRETS, declare_rotated
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import (
    GIVEN,
    PASSWORD,
    ProvisioningSite,
    lines,
    provisioning_site,
)
from tests.support.servers.rotation_site import create_function
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import ApplyFailed

DATABASE_URL: Final = "shop/cloud/database-url"
MANAGER: Final = "_strongroom/cloud/shop/database-manager"
URLS: Final = {
    f"secret/{DATABASE_URL}": Secret("postgresql://shop_a:hunter2-a@db.example.com/shop"),
    f"secret/{MANAGER}": Secret("postgresql://manager:hunter2-m@db.example.com/shop"),
}
ALL_GIVEN: Final = Inputs({**GIVEN.values, **URLS})


@pytest.fixture(scope="module")
def declaration(tmp_path_factory: pytest.TempPathFactory) -> Declaration:
    return declare_rotated(tmp_path_factory.mktemp("declared"))


@pytest.fixture(scope="module")
def applied(moto: MotoServer, declaration: Declaration) -> Iterator[ProvisioningSite]:
    """Apply once, because each test ends with what is declared."""
    moto.reset()
    create_function(moto)
    with provisioning_site(moto) as running:
        running.apply(running.plan(declaration, ALL_GIVEN))
        yield running
    moto.reset()


@pytest.fixture
def site(
    applied: ProvisioningSite, moto: MotoServer, declaration: Declaration
) -> Iterator[ProvisioningSite]:
    """Erase what was applied during the test."""
    moto.reset()
    create_function(moto)
    yield applied
    moto.reset()
    create_function(moto)
    applied.apply(applied.plan(declaration, ALL_GIVEN))


def describe(site: ProvisioningSite, name: str) -> dict[str, Any]:
    return dict(site.secrets.describe_secret(SecretId=name))


def test_second_plan_is_empty(applied: ProvisioningSite, declaration: Declaration) -> None:
    assert lines(applied.plan(declaration, ALL_GIVEN)) == []
    for name, days in ((DATABASE_URL, 30), (PASSWORD, 90)):
        found = describe(applied, name)
        assert (found["RotationEnabled"], found["RotationLambdaARN"]) == (True, ARN)
        assert found["RotationRules"] == {"AutomaticallyAfterDays": days}
    assert "RotationLambdaARN" not in describe(applied, "shop/cloud/smtp-password")


def test_apply_rotates_nothing_at_once(applied: ProvisioningSite, declaration: Declaration) -> None:
    applied.secrets.cancel_rotate_secret(SecretId=PASSWORD)
    applied.proxy.forget()
    applied.apply(applied.plan(declaration, ALL_GIVEN))
    sent = zip(applied.proxy.operations, applied.proxy.bodies, strict=True)
    rotations = [json.loads(body) for operation, body in sent if operation == "RotateSecret"]
    assert [each["RotateImmediately"] for each in rotations] == [False]


def test_manager_is_in_a_secret_that_the_application_cannot_read(
    applied: ProvisioningSite,
) -> None:
    version = applied.iam.get_policy(PolicyArn=ACCOUNT.policy(str(SCOPE)))["Policy"]
    document = applied.iam.get_policy_version(
        PolicyArn=version["Arn"], VersionId=version["DefaultVersionId"]
    )["PolicyVersion"]["Document"]
    assert DATABASE_URL in json.dumps(document)
    assert MANAGER not in json.dumps(document)
    assert applied.stages(MANAGER)


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        (
            lambda site: site.secrets.cancel_rotate_secret(SecretId=PASSWORD),
            f"update secret-rotation {PASSWORD} function,every",
        ),
        (
            lambda site: site.secrets.rotate_secret(
                SecretId=PASSWORD,
                RotationLambdaARN=ARN,
                RotationRules={"AutomaticallyAfterDays": 7},
                RotateImmediately=False,
            ),
            f"update secret-rotation {PASSWORD} every",
        ),
        (
            lambda site: site.secrets.tag_resource(
                SecretId=DATABASE_URL, Tags=[{"Key": "rotation", "Value": "users a b"}]
            ),
            f"update secret-metadata {DATABASE_URL} rotation",
        ),
        (
            lambda site: site.secrets.tag_resource(
                SecretId=DATABASE_URL, Tags=[{"Key": "rotation_min_age", "Value": "0"}]
            ),
            f"update secret-metadata {DATABASE_URL} rotation_min_age",
        ),
    ],
    ids=["switched off", "period", "how", "minimum age"],
)
def test_drift_is_found_and_mended(
    applied: ProvisioningSite,
    declaration: Declaration,
    drift: Callable[[ProvisioningSite], object],
    line: str,
) -> None:
    drift(applied)
    plan = applied.plan(declaration, ALL_GIVEN)
    assert lines(plan) == [line]
    applied.apply(plan)
    assert lines(applied.plan(declaration, ALL_GIVEN)) == []


def test_rotation_that_is_declared_no_more_is_switched_off(
    applied: ProvisioningSite, declaration: Declaration, tmp_path: Path
) -> None:
    unrotated = {key: value for key, value in SECRETS["password"].items() if key != "rotate_every"}
    changed = declare_rotated(tmp_path, service={"secrets": {**SECRETS, "password": unrotated}})
    applied.apply(applied.plan(changed, ALL_GIVEN))
    assert describe(applied, PASSWORD)["RotationEnabled"] is False
    assert lines(applied.plan(changed, ALL_GIVEN)) == []
    applied.apply(applied.plan(declaration, ALL_GIVEN))
    assert describe(applied, PASSWORD)["RotationEnabled"] is True


def test_rotation_by_a_function_of_others_is_kept(
    applied: ProvisioningSite, declaration: Declaration, moto: MotoServer
) -> None:
    role = moto.client("iam").list_roles()["Roles"][0]["Arn"]
    other = moto.client("lambda").create_function(
        FunctionName="other", Role=role, Handler="h.h", Runtime="python3.13", Code={"ZipFile": b""}
    )["FunctionArn"]
    applied.secrets.rotate_secret(
        SecretId="shop/cloud/smtp-password",
        RotationLambdaARN=other,
        RotationRules={"AutomaticallyAfterDays": 7},
    )
    assert lines(applied.plan(declaration, ALL_GIVEN)) == []


def test_secret_without_a_value_is_rotated_once_it_has_one(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    plan = site.plan(declaration, GIVEN)
    assert plan.missing == (DATABASE_URL, MANAGER)
    site.apply(plan)
    assert not describe(site, DATABASE_URL).get("RotationEnabled")
    assert lines(site.plan(declaration, ALL_GIVEN)) == [
        f"create secret-value {DATABASE_URL} value",
        f"create secret-value {MANAGER} value",
        f"create secret-rotation {DATABASE_URL} function,every",
    ]


def test_function_that_does_not_exist_is_named(
    site: ProvisioningSite, declaration: Declaration, moto: MotoServer
) -> None:
    moto.client("lambda").delete_function(FunctionName=ARN)
    with pytest.raises(ApplyFailed, match=f"create the function {ARN}"):
        site.apply(site.plan(declaration, ALL_GIVEN))


def test_rotation_that_is_under_way_is_not_configured_again(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    """AWS refuses it, and moto does not: a version that is not current is labelled AWSPENDING."""
    applied.secrets.cancel_rotate_secret(SecretId=PASSWORD)
    applied.proxy.faults["RotateSecret"] = [faults.refused("InvalidRequestException")]
    with pytest.raises(ApplyFailed, match="let no rotation of the secret be under way"):
        applied.apply(applied.plan(declaration, ALL_GIVEN))
    applied.proxy.forget()
    applied.apply(applied.plan(declaration, ALL_GIVEN))
    assert lines(applied.plan(declaration, ALL_GIVEN)) == []


def test_environment_without_a_function_has_no_rotation(
    site: ProvisioningSite, tmp_path: Path
) -> None:
    declaration = declare_on_aws(tmp_path)
    site.apply(site.plan(declaration))
    assert "RotationEnabled" not in describe(site, PASSWORD)
    assert {each["Key"] for each in describe(site, PASSWORD)["Tags"]}.isdisjoint({"rotation"})
