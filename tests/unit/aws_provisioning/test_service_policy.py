"""IAM policy of a service: it grants the calls of the SDK, and each part of it is needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration.encryption.blind_index.key_context import identify
from app_integration.encryption.blind_index.stores import IndexKey
from app_integration.encryption.cipher import wrap_scope
from app_integration.encryption.files.recipient import ServiceKey
from app_integration.encryption.tokens import encryption_context as contexts
from app_integration.errors import ConfigurationError
from aws.account import Account
from aws.desired import desired_resources
from aws.iam.evaluation import ApiCall, find_needed, is_granted
from aws.iam.service_policy import CONTEXT, KEY_TAG, VIA, encryption_context, service_policy
from aws.secret_copy.secret_copy import copied_secrets
from console.commands.every_day.put import check_writable
from tests.support.iam_coverage import find_denied, find_unneeded, needed_calls
from tests.support.models.aws_declared import ACCOUNT, ENVIRONMENT, SCOPE, declare_on_aws
from vault.declare.declaration import Declaration
from vault.reconcile.inputs import Inputs

GET: Final = "secretsmanager:GetSecretValue"
STAGE: Final = "secretsmanager:VersionStage"
TAG: Final = f"aws:ResourceTag/{KEY_TAG}"
OWN: Final = encryption_context(SCOPE)
SERVICE, ENVIRONMENT_KEY = OWN
ALIAS: Final = f"arn:aws:kms:eu-central-1:{ACCOUNT.id}:alias/shop-cloud-pii"
KEY: Final = f"arn:aws:kms:eu-central-1:{ACCOUNT.id}:key/1234"


@pytest.fixture
def declaration(tmp_path: Path) -> Declaration:
    return declare_on_aws(tmp_path)


@pytest.fixture
def policy(declaration: Declaration) -> dict[str, Any]:
    return service_policy(declaration, SCOPE, ACCOUNT)


def test_policy_grants_what_the_sdk_calls_and_nothing_else(
    declaration: Declaration, policy: dict[str, Any]
) -> None:
    calls = [*needed_calls(declaration, SCOPE, ACCOUNT)]
    assert find_denied(policy, calls) == []
    assert find_unneeded(policy, calls) == []


def test_policy_without_a_statement_denies_a_call(
    declaration: Declaration, policy: dict[str, Any]
) -> None:
    calls = [*needed_calls(declaration, SCOPE, ACCOUNT)]
    assert len(policy["Statement"]) == 5
    for statement in policy["Statement"]:
        rest = [each for each in policy["Statement"] if each is not statement]
        assert find_denied({**policy, "Statement": rest}, calls), statement["Sid"]


def test_policy_with_an_action_resource_or_value_too_many_is_found(
    declaration: Declaration, policy: dict[str, Any]
) -> None:
    calls = [*needed_calls(declaration, SCOPE, ACCOUNT)]
    read = policy["Statement"][0]
    read["Action"].append("secretsmanager:PutSecretValue")
    read["Resource"].append(ACCOUNT.secret("other/cloud/password"))
    read["Condition"]["StringEquals"][STAGE].append("AWSPENDING")
    assert find_unneeded(policy, calls) == [
        "ReadSecrets: secretsmanager:PutSecretValue",
        f"ReadSecrets: {ACCOUNT.secret('other/cloud/password')}",
        f"ReadSecrets: {STAGE} AWSPENDING",
    ]


@pytest.mark.parametrize(
    "call",
    [
        ApiCall(GET, ACCOUNT.secret("shop/cloud/password", "AbCdEf")),
        ApiCall(GET, ACCOUNT.secret("shop/cloud/password", "AbCdEf"), {STAGE: "AWSPENDING"}),
        ApiCall(GET, ACCOUNT.secret("shop/cloud/password", "AbCdEfg"), {STAGE: "AWSCURRENT"}),
        ApiCall(GET, ACCOUNT.secret("shop/cloud/password-2", "AbCdEf"), {STAGE: "AWSCURRENT"}),
        ApiCall(GET, ACCOUNT.secret("shop/prod/password", "AbCdEf"), {STAGE: "AWSCURRENT"}),
        ApiCall(GET, Account(ACCOUNT.id, "eu-west-1").secret("shop/cloud/password", "AbCdEf")),
        ApiCall("secretsmanager:PutSecretValue", ACCOUNT.secret("shop/cloud/password", "AbCdEf")),
        ApiCall("secretsmanager:ListSecrets", "*"),
        ApiCall("kms:Decrypt", KEY),
        ApiCall("kms:Decrypt", KEY, {**OWN, TAG: "shop-cloud-audit"}),
        ApiCall("kms:Decrypt", KEY, {**OWN, TAG: "other-cloud-pii"}),
        ApiCall("kms:TagResource", KEY, {**OWN, TAG: "shop-cloud-pii"}),
        ApiCall("kms:ScheduleKeyDeletion", KEY, {**OWN, TAG: "shop-cloud-pii"}),
        *(
            ApiCall(f"kms:{action}", key, {TAG: "shop-cloud-pii", **context})
            for action in ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo")
            for key, context in (
                (KEY, {}),
                (KEY, {SERVICE: "shop"}),
                (KEY, {ENVIRONMENT_KEY: "cloud"}),
                (KEY, {**OWN, SERVICE: "other"}),
                (KEY, {**OWN, SERVICE: "Shop"}),
                (KEY, {**OWN, ENVIRONMENT_KEY: "prod"}),
                (ALIAS, OWN),
                (KEY.replace("central", "west"), OWN),
                (KEY.replace(ACCOUNT.id, "210987654321"), OWN),
            )
        ),
    ],
    ids=str,
)
def test_policy_denies_any_other_call(policy: dict[str, Any], call: ApiCall) -> None:
    assert not is_granted(policy, call)


def test_each_context_that_the_sdk_binds_a_key_to_is_granted(policy: dict[str, Any]) -> None:
    row = IndexKey("shop/cloud", "users.email", 1, 64, b"", datetime.now(UTC))
    bound = [
        wrap_scope(SCOPE, "pii").bound,
        ServiceKey(SCOPE, "pii").bound,
        contexts.encode(identify(SCOPE, row)),
    ]
    for each in bound:
        sent = {f"{CONTEXT}{name}": str(value) for name, value in contexts.decode(each).items()}
        assert is_granted(policy, ApiCall("kms:Encrypt", KEY, {TAG: "shop-cloud-pii", **sent}))


def find_open(document: dict[str, Any], calls: Sequence[ApiCall]) -> list[ApiCall]:
    """Return the uses of a key that are granted also without the own encryption context."""
    used = [each for each in calls if each.action.startswith("kms:")]
    assert len(used) == 5
    return [each for each in used if not OWN.items() <= find_needed(document, each).items()]


def test_each_use_of_a_key_is_granted_only_with_the_own_encryption_context(
    declaration: Declaration, policy: dict[str, Any]
) -> None:
    assert find_open(policy, [*needed_calls(declaration, SCOPE, ACCOUNT)]) == []


def without_context(statement: dict[str, Any]) -> None:
    del statement["Condition"]["StringEquals"][SERVICE]


def of_another_service(statement: dict[str, Any]) -> None:
    statement["Condition"]["StringEquals"][SERVICE] = ["shop", "other"]


def by_alias(statement: dict[str, Any]) -> None:
    statement["Resource"] = [ALIAS]


@pytest.mark.parametrize("sid", ["WrapDataKeys", "UnwrapDataKeys", "RewrapDataKeys"])
@pytest.mark.parametrize("plant", [without_context, of_another_service, by_alias])
def test_planted_change_of_a_statement_about_keys_is_found(
    plant: Callable[[dict[str, Any]], None],
    sid: str,
    declaration: Declaration,
    policy: dict[str, Any],
) -> None:
    calls = [*needed_calls(declaration, SCOPE, ACCOUNT)]
    plant(next(each for each in policy["Statement"] if each["Sid"] == sid))
    denied, unneeded = find_denied(policy, calls), find_unneeded(policy, calls)
    found = denied or unneeded or find_open(policy, calls)
    assert found
    assert bool(denied) == (plant is by_alias)


def test_policy_of_a_service_that_needs_nothing_has_no_statement(tmp_path: Path) -> None:
    declaration = declare_on_aws(tmp_path, service={"secrets": {}, "keys": {}})
    assert service_policy(declaration, SCOPE, ACCOUNT)["Statement"] == []


def test_policy_grants_own_keys_of_secrets_and_their_replicas(tmp_path: Path) -> None:
    other = KEY.replace("eu-central-1", "eu-west-1")
    aws = {**ENVIRONMENT["aws"], "kms_key": KEY, "replicas": {"eu-west-1": other}}
    declaration = declare_on_aws(tmp_path, aws=aws)
    policy = service_policy(declaration, SCOPE, ACCOUNT)
    away = Account(ACCOUNT.id, "eu-west-1")
    calls = [*needed_calls(declaration, SCOPE, ACCOUNT), *needed_calls(declaration, SCOPE, away)]
    own = [each for each in calls if not (each.action.startswith("kms:") and "west" in str(each))]
    via = [each.secrets_manager for each in (ACCOUNT, away)]
    own += [
        ApiCall("kms:Decrypt", key, {VIA: name})
        for key, name in zip((KEY, other), via, strict=True)
    ]
    assert find_denied(policy, own) == []
    assert find_unneeded(policy, own) == []
    assert not is_granted(policy, ApiCall("kms:Decrypt", KEY))
    assert not is_granted(policy, ApiCall("kms:Decrypt", KEY, {VIA: "s3.eu-central-1"}))


def test_policy_grants_the_arn_of_a_secret_of_others_and_apply_does_not_make_it(
    tmp_path: Path,
) -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:210987654321:secret:rds!db-12ab-AbCdEf"
    declaration = declare_on_aws(
        tmp_path,
        service={"secrets": {"db": {"source": "given"}, "key": {"source": "given"}}},
        services={"shop": {"secret_arns": {"db": arn}}},
    )
    read = service_policy(declaration, SCOPE, ACCOUNT)["Statement"][0]
    assert read["Resource"] == [ACCOUNT.secret("shop/cloud/key"), arn]
    made = desired_resources(declaration, SCOPE.environment, Inputs())
    assert {each.name for each in made if "secret" in each.kind} == {"shop/cloud/key"}
    assert [each.path for each in copied_secrets(declaration, SCOPE)] == ["shop/cloud/key"]
    with pytest.raises(ConfigurationError, match=f"db is the secret {re.escape(arn)} in cloud"):
        check_writable(declaration, SCOPE, "db")


@pytest.mark.parametrize("own", [True, False])
def test_policy_grants_the_key_of_secrets_only_with_a_secret_of_its_own(
    own: bool, tmp_path: Path
) -> None:
    arn = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT.id}:secret:rds!db-12ab-AbCdEf"
    secrets = {"db": {"source": "given"}, **({"key": {"source": "given"}} if own else {})}
    declaration = declare_on_aws(
        tmp_path,
        service={"secrets": secrets},
        services={"shop": {"secret_arns": {"db": arn}}},
        aws={**ENVIRONMENT["aws"], "kms_key": KEY},
    )
    statements = service_policy(declaration, SCOPE, ACCOUNT)["Statement"]
    assert ("UseKeysOfSecrets" in [each["Sid"] for each in statements]) == own


def test_policy_that_is_longer_than_iam_allows_is_refused(tmp_path: Path) -> None:
    secrets = {f"secret-{number}": {"source": "given"} for number in range(60)}
    declaration = declare_on_aws(tmp_path, service={"secrets": secrets})
    with pytest.raises(ConfigurationError, match="IAM allows 6144; declare fewer secrets"):
        service_policy(declaration, SCOPE, ACCOUNT)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_arn_is_in_the_partition_of_the_region(region: str, partition: str) -> None:
    assert Account("123456789012", region).policy("shop").startswith(f"arn:{partition}:iam::")
