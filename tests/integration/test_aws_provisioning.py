"""Plan and apply on moto's server: the second plan is empty, and each drift is found and mended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app_integration import errors
from app_integration.errors import ConfigurationError
from app_integration.secret import Secret
from aws.account import Account
from aws.desired import desired_resources
from aws.planning import build_plan
from aws.resources.secret_version import write_version
from tests.support.models.aws_declared import SCOPE, declare_on_aws
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.moto_server import REGION, MotoServer
from tests.support.servers.provisioning_site import (
    ALIAS,
    GIVEN,
    NOT_COMPARED,
    PART,
    PASSWORD,
    URL,
    VALUE,
    ProvisioningSite,
    lines,
)
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning.apply import ApplyFailed
from vault.reconcile.planning.plan import Action
from vault.reconcile.resources.ownership import OwnedByOther


@pytest.fixture
def site(running_site: ProvisioningSite, moto: MotoServer) -> Iterator[ProvisioningSite]:
    moto.reset()
    running_site.proxy.forget()
    yield running_site
    moto.reset()


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return declare_on_aws(tmp_path)


@pytest.fixture
def applied(site: ProvisioningSite, declaration: Declaration) -> ProvisioningSite:
    site.apply(site.plan(declaration))
    return site


def test_second_plan_is_empty_and_names_what_is_not_compared(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    first = site.plan(declaration)
    assert (first.count(Action.CREATE), len(first.changes)) == (9, 9)
    assert len(site.apply(first)) == 9
    second = site.plan(declaration)
    assert (lines(second), second.unchanged, second.missing) == ([], 9, ())
    assert second.not_compared == NOT_COMPARED


def test_applied_values_are_read_by_the_sdk(applied: ProvisioningSite) -> None:
    assert len(applied.value("password")) == 48
    assert applied.value("smtp-url") == f"smtp://shop:{VALUE}@mail"
    assert [*applied.stages(PASSWORD).values()] == [["AWSCURRENT"]]


def test_plan_reads_no_value_and_lists_no_secret(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    applied.proxy.forget()
    applied.plan(declaration)
    assert {each for each in applied.proxy.operations if "Secret" in each} == {"DescribeSecret"}
    assert applied.proxy.operations.count("DescribeSecret") == 3


def test_secret_without_a_provided_value_is_missing(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    plan = site.plan(declaration, Inputs())
    assert plan.missing == ("shop/cloud/smtp-password", URL)
    site.apply(plan)
    assert site.plan(declaration, Inputs()).missing == plan.missing
    site.apply(site.plan(declaration))
    assert lines(site.plan(declaration)) == []


def test_tags_of_others_are_kept(applied: ProvisioningSite, declaration: Declaration) -> None:
    applied.secrets.tag_resource(SecretId=PASSWORD, Tags=[{"Key": "team", "Value": "a"}])
    applied.secrets.untag_resource(SecretId=PASSWORD, TagKeys=["owner"])
    applied.apply(applied.plan(declaration))
    tags = applied.secrets.describe_secret(SecretId=PASSWORD)["Tags"]
    assert {"Key": "team", "Value": "a"} in tags


def test_derived_value_after_a_new_part_is_composed_again(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    write_version(applied.connection, PART, Secret("another"), applied.current(PART))
    applied.apply(applied.plan(declaration))
    assert applied.value("smtp-url") == "smtp://shop:another@mail"


def test_value_written_since_the_plan_stays(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    plan = site.plan(declaration)
    site.secrets.create_secret(Name=PASSWORD)
    write_version(site.connection, PASSWORD, Secret("written by another"), None)
    with pytest.raises(ApplyFailed):
        site.apply(plan)
    site.apply(site.plan(declaration))
    assert site.value("password") == "written by another"


def test_one_of_racing_writers_wins_and_the_others_say_so(applied: ProvisioningSite) -> None:
    seen = applied.current(PASSWORD)

    def write(number: int) -> str:
        try:
            write_version(applied.connection, PASSWORD, Secret(f"value {number}"), seen)
        except ConfigurationError as error:
            return str(error)
        return f"value {number}"

    with ThreadPoolExecutor(4) as pool:
        outcomes = [*pool.map(write, range(4))]
    won = [each for each in outcomes if each.startswith("value")]
    assert won == [applied.value("password")]
    assert sum("was written by another client since the plan" in each for each in outcomes) == 3


@pytest.mark.parametrize("value", ["", "é" * 32_769])
def test_value_that_aws_does_not_take_is_refused_before_it_is_sent(
    site: ProvisioningSite, value: str
) -> None:
    with pytest.raises(ConfigurationError, match="and Secrets Manager takes 1 to 65536"):
        write_version(site.connection, PASSWORD, Secret(value), None)
    assert site.proxy.operations == []


@pytest.mark.parametrize(
    ("value", "reason"), [("a\0b", "holds a NUL character"), ("\udcff", "holds a lone surrogate")]
)
def test_value_that_vault_does_not_take_is_refused_before_it_is_sent_to_aws(
    site: ProvisioningSite, value: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"the value of {PASSWORD} {reason}"):
        write_version(site.connection, PASSWORD, Secret(value), None)
    assert site.proxy.operations == []


def test_key_of_another_kind_cannot_change(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    key = site.kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    site.kms.create_alias(AliasName=ALIAS, TargetKeyId=key)
    advice = f"move the alias to a symmetric key: aws kms update-alias --alias-name {ALIAS} --tar"
    with pytest.raises(ApplyFailed, match=f"stands for a key of the kind RSA_2048.*; {advice}"):
        site.apply(site.plan(declaration))


def test_key_whose_alias_fails_is_deleted(site: ProvisioningSite, declaration: Declaration) -> None:
    site.proxy.faults["CreateAlias"] = [faults.refused("LimitExceededException")]
    with pytest.raises(ApplyFailed, match="CreateAlias"):
        site.apply(site.plan(declaration))
    states = {
        site.kms.describe_key(KeyId=each["KeyId"])["KeyMetadata"]["KeyState"]
        for each in site.kms.list_keys()["Keys"]
    }
    assert states == {"PendingDeletion"}
    site.proxy.forget()
    site.apply(site.plan(declaration))
    assert lines(site.plan(declaration)) == []


@pytest.mark.parametrize(
    "seen", [faults.failing(), faults.refused("AlreadyExistsException")], ids=["lost", "repeated"]
)
def test_key_whose_alias_was_created_in_spite_of_an_error_is_kept(
    site: ProvisioningSite, declaration: Declaration, seen: faults.Fault
) -> None:
    site.proxy.faults["CreateAlias"] = [faults.late(seen)]
    site.apply(site.plan(declaration))
    assert lines(site.plan(declaration)) == []
    assert "ScheduleKeyDeletion" not in site.proxy.operations


def test_key_is_not_requested_twice_after_an_outage(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    site.proxy.faults["CreateKey"] = [faults.failing()]
    with pytest.raises(ApplyFailed, match="CreateKey"):
        site.apply(site.plan(declaration))
    created = site.proxy.operations.count("CreateKey")
    assert created == 2  # one for each declared key


def test_plan_with_an_identity_of_another_account_reads_nothing(
    site: ProvisioningSite, declaration: Declaration
) -> None:
    resources = desired_resources(declaration, SCOPE.environment, GIVEN)
    with pytest.raises(ConfigurationError, match="belongs to the account 123456789012"):
        build_plan(site.connection, resources, Account("210987654321", REGION), "strongroom")
    assert site.proxy.operations == ["GetCallerIdentity"]


def test_object_of_another_deployment_is_refused(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    tags = [{"Key": "deployment", "Value": "theirs"}]
    applied.secrets.tag_resource(SecretId=PASSWORD, Tags=tags)
    applied.kms.tag_resource(
        KeyId=applied.key(), Tags=[{"TagKey": "deployment", "TagValue": "theirs"}]
    )
    with pytest.raises(OwnedByOther) as caught:
        applied.plan(declaration)
    assert f"secret-metadata {PASSWORD} belongs to the deployment 'theirs'" in str(caught.value)
    assert "kms-key shop-cloud-pii belongs to the deployment 'theirs'" in str(caught.value)


def test_digest_changes_with_the_state_only(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    digest = applied.plan(declaration).digest
    assert applied.plan(declaration).digest == digest
    applied.kms.disable_key(KeyId=applied.key())
    assert applied.plan(declaration).digest != digest


def test_rotation_period_that_the_server_returns_is_compared(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    status = {"KeyRotationEnabled": True, "RotationPeriodInDays": 365}
    applied.proxy.faults["GetKeyRotationStatus"] = [faults.Fault(body=status)]
    plan = applied.plan(declaration)
    assert "update kms-key shop-cloud-pii rotation_period" in lines(plan)
    assert plan.not_compared == ()


def test_rotation_status_that_was_cut_off_is_no_rotation_that_is_off(
    applied: ProvisioningSite, declaration: Declaration
) -> None:
    status = {"KeyRotationEnabled": True, "RotationPeriodInDays": 90}
    applied.proxy.faults["GetKeyRotationStatus"] = [faults.cut(status, has_length=False)]
    with pytest.raises(errors.UnexpectedAnswer, match="it was cut off"):
        applied.plan(declaration)


def test_denied_read_names_the_action(site: ProvisioningSite, declaration: Declaration) -> None:
    denied = faults.denied("secretsmanager:DescribeSecret", "arn:x")
    site.proxy.faults["DescribeSecret"] = [denied]
    with pytest.raises(errors.AccessDenied, match="let the IAM policy grant DescribeSecret"):
        site.plan(declaration)
