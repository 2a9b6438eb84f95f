"""IAM policy of a service, beside the requests that the SDK really sends.

moto evaluates neither ARNs nor conditions, and has one action for ReEncrypt where AWS has two. So
with its enforcement the resources are ``*``; ARNs and conditions are the evaluation's part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration import errors
from app_integration.aws.connection import AwsConnection
from app_integration.aws.kms import call_kms
from app_integration.encryption.keys.services.kms import KmsKeyService
from app_integration.encryption.kms_ciphertext import KmsCiphertext
from app_integration.sources import Following, Preceding
from app_integration.sources.aws import AwsSource
from aws.iam.evaluation import ApiCall, is_granted
from aws.iam.service_policy import service_policy
from tests.support.iam_coverage import needed_calls
from tests.support.models.aws_declared import ACCOUNT, SCOPE, declare_on_aws
from tests.support.servers.moto_server import MotoServer, set_identity
from tests.support.servers.secret_backends import PATIENT, AwsSite

NAMES: Final = ("password", "smtp-password", "smtp-url")
KEY: Final = SCOPE.key("pii")
DATA_KEY: Final = b"k" * 32
USER: Final = "shop"
DELETED: Final = "deleted"
BATCH: Final = "BatchGetSecretValue"


@pytest.fixture
def policy(tmp_path: Path) -> dict[str, Any]:
    return service_policy(declare_on_aws(tmp_path), SCOPE, ACCOUNT)


@pytest.fixture
def moto_with_secrets(moto: MotoServer) -> Iterator[MotoServer]:
    """Yield moto's server with the secrets of the service, one of which is being deleted."""
    moto.reset()
    operator = moto.client("secretsmanager")
    for name in (*NAMES, DELETED):
        created = operator.create_secret(Name=SCOPE.secret(name), SecretString="one")
        operator.put_secret_value(SecretId=created["ARN"], SecretString="two")
    operator.delete_secret(SecretId=SCOPE.secret(DELETED))
    yield moto
    moto.reset()


def sent_calls(site: AwsSite) -> Iterator[ApiCall]:
    """Yield the calls that the server of faults passed on, by the ARNs of their secrets."""
    for operation, body in zip(site.proxy.operations, site.proxy.bodies, strict=True):
        sent = json.loads(body)
        if operation == BATCH:
            continue
        arn = site.operator.describe_secret(SecretId=sent["SecretId"])["ARN"]
        stage = sent.get("VersionStage")
        context = {"secretsmanager:VersionStage": stage} if stage else {}
        yield ApiCall(f"secretsmanager:{operation}", arn, context)


def test_policy_grants_each_request_that_the_sdk_sends_for_secrets(
    policy: dict[str, Any], moto_with_secrets: MotoServer, aws_site: AwsSite, tmp_path: Path
) -> None:
    assert moto_with_secrets.url
    source = AwsSource(aws_site.connection, SCOPE)
    aws_site.proxy.forget()
    source.fetch_many(NAMES)
    for name in NAMES:
        current = source.fetch(name)
        source.fetch(name, Preceding(str(current.version)))
        with pytest.raises(errors.SecretNotFound, match="no announced version"):
            source.fetch(name, Following(str(current.version)))
    with pytest.raises(errors.SecretDeleted):
        source.fetch(DELETED)
    sent = [*sent_calls(aws_site)]
    denied = [call for call in sent if not is_granted(policy, call)]
    assert all(f"/{DELETED}-" in call.resource for call in denied)  # it is not declared
    needed = needed_calls(declare_on_aws(tmp_path), SCOPE, ACCOUNT)
    assert {(call.action, *call.context.values()) for call in sent} == {
        (call.action, *call.context.values())
        for call in needed
        if call.action.startswith("secretsmanager:")
    }


def widen(policy: dict[str, Any], without: str | None) -> dict[str, Any]:
    """Return the policy as moto can enforce it, without the statement *without*."""
    statements = [
        {
            **each,
            "Resource": "*",
            "Action": ["kms:ReEncrypt"] if each["Sid"] == "RewrapDataKeys" else each["Action"],
        }
        for each in policy["Statement"]
        if each["Sid"] != without
    ]
    return {**policy, "Statement": statements}


@contextmanager
def connection_of_user(
    moto: MotoServer, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsConnection]:
    """Yield a connection of a user with a policy."""
    iam = moto.client("iam")
    iam.create_user(UserName=USER)
    iam.put_user_policy(UserName=USER, PolicyName="p", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=USER)["AccessKey"]
    set_identity(monkeypatch)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    with closing(moto.connection(PATIENT)) as connection:
        yield connection


def calls(moto: MotoServer, connection: AwsConnection) -> dict[str, Callable[[], object]]:
    """Return what an application does, by the statement that it needs."""
    kms = moto.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.create_alias(AliasName=f"alias/{KEY}", TargetKeyId=key)
    blob = kms.encrypt(KeyId=key, Plaintext=DATA_KEY)["CiphertextBlob"]
    wrapped = [KmsCiphertext(key, blob).encode()]
    service = KmsKeyService(partial(call_kms, connection), KEY, [key], lambda _: {})
    source = AwsSource(connection, SCOPE)

    def recognise_deleted() -> None:
        with suppress(errors.SecretDeleted):
            source.fetch(DELETED)

    return {
        "ReadSecrets": lambda: source.fetch(NAMES[0]),
        "RecogniseDeletedSecrets": recognise_deleted,
        "WrapDataKeys": lambda: service.wrap([DATA_KEY], b""),
        "UnwrapDataKeys": lambda: service.unwrap(wrapped, b""),
        "RewrapDataKeys": lambda: service.rewrap(wrapped, b""),
    }


@pytest.mark.parametrize(
    "without",
    [
        None,
        "ReadSecrets",
        "RecogniseDeletedSecrets",
        "WrapDataKeys",
        "UnwrapDataKeys",
        "RewrapDataKeys",
    ],
)
def test_application_fails_without_a_statement_and_only_there(
    without: str | None,
    policy: dict[str, Any],
    moto_with_secrets: MotoServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed: set[str] = set()
    document = widen(policy, without)
    with connection_of_user(moto_with_secrets, document, monkeypatch) as connection:
        prepared = calls(moto_with_secrets, connection)
        with moto_with_secrets.enforcing_iam():
            for name, call in prepared.items():
                try:
                    call()
                except (errors.AccessDenied, errors.RequestRefused):
                    failed.add(name)
    # Without the statement that reads, neither kind of read works.
    reads = {"RecogniseDeletedSecrets"} if without == "ReadSecrets" else set()
    assert failed == ({without} | reads if without else set())
