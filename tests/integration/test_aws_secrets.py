"""Secrets Manager: stages, batches, deletions and errors, on moto's server and one of faults."""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from app_integration import errors
from app_integration.aws.connection import AwsConnection
from app_integration.aws.request import AwsRequest
from app_integration.client import Client
from app_integration.sources.aws import AwsSource
from tests.support.servers import aws_fault_server as faults
from tests.support.servers import secret_backends
from tests.support.servers.aws_fault_server import AwsFaultServer, Fault, aws_fault_server
from tests.support.servers.moto_server import REGION, MotoServer, set_identity
from tests.support.servers.scripted_server import Clock
from tests.support.servers.secret_backends import LIMITS, PATIENT, AwsBackend, AwsSite

NAME: Final = "jwt-secret"
NAMES: Final = [f"secret-{number:02}" for number in range(45)]
VALUE: Final = "hunter2-and-more"
PATIENCE: Final = 0.1  # share of the deadline by which an error may be late


@pytest.fixture
def backend(
    aws_site: AwsSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBackend]:
    set_identity(monkeypatch)
    with secret_backends.aws(aws_site, tmp_path) as opened:
        yield opened


def move_current(backend: AwsBackend, name: str, value: str) -> None:
    """Write *value* under a label of its own, then make it current, as a rotation does."""
    secret = backend.scope.secret(name)
    old = backend.operator.describe_secret(SecretId=secret)["VersionIdsToStages"]
    (current,) = [version for version, stages in old.items() if "AWSCURRENT" in stages]
    new = backend.operator.put_secret_value(
        SecretId=secret, SecretString=value, VersionStages=["rotation"]
    )
    backend.operator.update_secret_version_stage(
        SecretId=secret,
        VersionStage="AWSCURRENT",
        MoveToVersionId=new["VersionId"],
        RemoveFromVersionId=current,
    )


def test_version_whose_stage_was_moved_is_current(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    move_current(backend, NAME, "two")
    assert backend.client.secrets.get(NAME) == "two"
    assert backend.client.secrets.current_and_previous(NAME) == ("two", "one")


def test_every_read_names_the_stage(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.client.secrets.current_and_previous(NAME)
    stages = [json.loads(body)["VersionStage"] for body in backend.proxy.bodies]
    assert stages == ["AWSCURRENT", "AWSPREVIOUS"]


def test_required_secrets_are_read_by_batches_of_twenty(backend: AwsBackend) -> None:
    for name in NAMES:
        backend.put(name, f"value of {name}")
    backend.client.secrets.require(NAMES)
    assert backend.proxy.operations == ["BatchGetSecretValue"] * 3
    assert backend.client.secrets.get(NAMES[-1]) == f"value of {NAMES[-1]}"


def test_batch_without_the_current_version_is_read_singly(backend: AwsBackend) -> None:
    for name in NAMES[:2]:
        backend.put(name, "one")
    move_current(backend, NAMES[0], "two")
    backend.client.secrets.require(NAMES[:2])
    assert backend.client.secrets.get(NAMES[0]) == "two"
    assert backend.client.secrets.get(NAMES[1]) == "one"


def test_batch_with_a_secret_without_value_is_read_singly(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.operator.create_secret(Name=backend.scope.secret("empty"))
    with pytest.raises(errors.SecretsMissing) as caught:
        backend.client.secrets.require([NAME, "empty"])
    assert caught.value.missing == ("empty",)
    assert backend.client.secrets.get(NAME) == "one"


def test_secret_that_a_batch_has_an_error_for_is_read_singly(backend: AwsBackend) -> None:
    found, other = (backend.scope.secret(name) for name in NAMES[:2])
    entry = {"Name": found, "SecretString": "one", "VersionId": "v" * 32}
    error = {"SecretId": other, "ErrorCode": "AccessDeniedException", "Message": "no"}
    body = {"SecretValues": [{**entry, "VersionStages": ["AWSCURRENT"]}], "Errors": [error]}
    backend.proxy.faults["BatchGetSecretValue"] = [Fault(body=body)]
    backend.put(NAMES[1], "two")
    backend.client.secrets.require(NAMES[:2])
    assert backend.proxy.operations == ["BatchGetSecretValue", "GetSecretValue"]
    assert [backend.client.secrets.get(name) for name in NAMES[:2]] == ["one", "two"]


def test_denied_batch_is_read_singly_and_not_requested_again(backend: AwsBackend) -> None:
    action = "secretsmanager:BatchGetSecretValue"
    backend.proxy.faults["BatchGetSecretValue"] = [faults.denied(action, "*")]
    for name in NAMES[:4]:
        backend.put(name, "one")
    backend.client.secrets.require(NAMES[:2])
    backend.client.secrets.require(NAMES[2:4])
    assert backend.proxy.operations == ["BatchGetSecretValue", *["GetSecretValue"] * 4]


def test_unavailable_batch_ends_the_start_at_once(backend: AwsBackend) -> None:
    backend.proxy.faults["BatchGetSecretValue"] = [faults.throttled()]
    with pytest.raises(errors.RateLimited, match="ThrottlingException"):
        backend.client.secrets.require(NAMES[:2])
    assert "GetSecretValue" not in backend.proxy.operations


def test_secret_that_is_being_deleted_says_so(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.delete(NAME)
    with pytest.raises(errors.SecretDeleted, match="is being deleted; restore it"):
        backend.client.secrets.get(NAME)
    assert backend.proxy.operations == ["GetSecretValue", "DescribeSecret"]


@pytest.mark.parametrize(
    "description", [Fault(body={"Name": NAME}), faults.denied("secretsmanager:DescribeSecret", "*")]
)
def test_invalid_request_for_another_reason_is_refused(
    backend: AwsBackend, description: Fault
) -> None:
    backend.proxy.faults["GetSecretValue"] = [faults.refused("InvalidRequestException")]
    backend.proxy.faults["DescribeSecret"] = [description]
    with pytest.raises(errors.RequestRefused, match="InvalidRequestException"):
        backend.client.secrets.get(NAME)


def test_binary_secret_is_read_as_base64(backend: AwsBackend) -> None:
    backend.operator.create_secret(Name=backend.scope.secret(NAME), SecretBinary=b"\x00\xff")
    backend.put(NAMES[0], "one")
    backend.client.secrets.require([NAME, NAMES[0]])
    found = backend.client.secrets.get(NAME)
    assert base64.b64decode(found.reveal()) == b"\x00\xff"


def test_version_is_read_by_its_label_and_by_its_id(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.put(NAME, "two")
    secret = {"SecretId": backend.scope.secret(NAME)}
    pending = backend.operator.put_secret_value(
        **secret, SecretString="three", VersionStages=["AWSPENDING"]
    )
    get = backend.client.secrets.get
    assert get(NAME, version="AWSPREVIOUS") == "one"
    assert get(NAME, version="AWSPENDING") == "three"
    assert get(NAME, version=pending["VersionId"]) == "three"
    assert get(NAME) == "two"
    with pytest.raises(errors.SecretNotFound, match="has no version OTHER"):
        get(NAME, version="OTHER")


def test_secret_with_another_name_is_read_by_its_arn(
    backend: AwsBackend, aws_site: AwsSite
) -> None:
    name = f"rds!db-{secrets.token_hex(6)}"
    text = json.dumps({"username": "shop", "password": VALUE})
    arn = backend.operator.create_secret(Name=name, SecretString=text)["ARN"]
    settings = replace(backend.client.settings, secret_arns={"db": arn})
    backend.put(NAME, "one")
    client = Client(settings, aws=aws_site.connection)
    client.secrets.require(["db", NAME])
    assert client.secrets.get("db", field="password") == VALUE
    assert {json.loads(each).get("SecretId") for each in backend.proxy.bodies} >= {arn}
    backend.proxy.faults["GetSecretValue"] = [faults.denied("secretsmanager:GetSecretValue", arn)]
    with pytest.raises(errors.SecretsMissing, match=f"GetSecretValue on {re.escape(arn)}"):
        Client(settings, aws=aws_site.connection).secrets.require(["db"])


def test_secret_that_is_missing_names_the_region(backend: AwsBackend) -> None:
    with pytest.raises(errors.SecretNotFound, match=f"holds no value in {REGION}; write one, corr"):
        backend.client.secrets.get(NAME)


class Replicated:
    """A source whose own region can fail, and the copies of its secrets in another one."""

    def __init__(self, backend: AwsBackend, moto: MotoServer, near: AwsFaultServer) -> None:
        self.clock = Clock()
        self.near, self.far = near, backend.proxy
        connect = partial(
            AwsConnection,
            development=True,
            limits=PATIENT,
            clock=self.clock,
            sleep=self.clock.sleep,
        )
        own, replica = connect(REGION, endpoint=near.url), connect("eu-west-1", endpoint=moto.url)
        own.replicas = [replica]
        self.source = AwsSource(own, backend.scope, clock=self.clock)
        copies = [{"Region": "eu-west-1"}]
        secret = {"Name": backend.scope.secret(NAME), "SecretString": "one"}
        backend.operator.create_secret(**secret, AddReplicaRegions=copies)


@pytest.fixture
def replicated(backend: AwsBackend, moto: MotoServer) -> Iterator[Replicated]:
    with aws_fault_server(moto.url) as near:
        yield Replicated(backend, moto, near)


def test_replica_answers_while_its_region_fails(replicated: Replicated) -> None:
    assert replicated.source.fetch(NAME).value == "one"
    replicated.near.faults["GetSecretValue"] = [faults.failing()]
    assert replicated.source.fetch(NAME).value == "one"
    asked = len(replicated.near.operations)
    assert replicated.source.fetch(NAME).value == "one"
    assert len(replicated.near.operations) == asked  # which is not asked again for a minute
    replicated.near.faults.clear()
    replicated.clock.sleep(60.0)
    assert replicated.source.fetch(NAME).value == "one"
    assert len(replicated.near.operations) == asked + 1


def test_region_that_is_asked_second_still_decides(replicated: Replicated) -> None:
    replicated.near.faults["GetSecretValue"] = [faults.failing()]
    with pytest.raises(errors.ServerFault):
        replicated.source.fetch("without-replica")
    replicated.near.faults.clear()
    with pytest.raises(errors.SecretNotFound, match=f"holds no value in {REGION}"):
        replicated.source.fetch("without-replica")


def test_previous_value_that_was_current_meanwhile_is_none(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.put(NAME, "two")
    backend.client.secrets.get(NAME)
    backend.put(NAME, "three")
    assert backend.client.secrets.current_and_previous(NAME) == ("two", None)
    backend.client.secrets.get(NAME, force_refresh=True)
    assert backend.client.secrets.current_and_previous(NAME) == ("three", "two")


def test_grace_counts_from_the_creation_of_the_version(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    move_current(backend, NAME, "two")
    secret = backend.scope.secret(NAME)
    created = backend.operator.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")
    fetched = AwsSource(backend.client.aws, backend.scope).fetch(NAME)
    assert fetched.created_at == created["CreatedDate"].timestamp()


def test_record_has_the_version_id_and_the_request_id(backend: AwsBackend) -> None:
    backend.put(NAME, "one")
    backend.client.secrets.get(NAME)
    info, (record,) = backend.client.secrets.get_info(NAME), backend.records()
    assert info is not None
    versions = backend.operator.list_secret_version_ids(SecretId=backend.scope.secret(NAME))
    assert [info.version] == [each["VersionId"] for each in versions["Versions"]]
    assert record["version"] == info.version
    assert record["request_id"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.refused("DecryptionFailure"), errors.KeyUnavailable),
        (faults.expired_token(), errors.AuthenticationFailed),
        (faults.denied("secretsmanager:GetSecretValue", "*"), errors.AccessDenied),
        (faults.refused("ResourceNotFoundException"), errors.SecretNotFound),
    ],
)
def test_final_error_is_no_outage_and_drops_the_cached_value(
    backend: AwsBackend, fault: Fault, kind: type[errors.StrongroomError]
) -> None:
    backend.put(NAME, "one")
    backend.client.secrets.get(NAME)
    backend.proxy.faults["GetSecretValue"] = [fault]
    for _ in range(2):
        with pytest.raises(kind):
            backend.client.secrets.get(NAME, force_refresh=True)
    assert backend.client.secrets.get_info(NAME) is None


@pytest.mark.parametrize(
    "fault",
    [
        faults.throttled(),
        faults.cut({"SecretString": "one", "VersionId": "v" * 32}),
        Fault(body={"VersionId": "v" * 32}),
        Fault(body={"SecretString": "one"}),
    ],
)
def test_outage_serves_the_cached_value_within_the_deadline(
    backend: AwsBackend, fault: Fault
) -> None:
    backend.put(NAME, "one")
    backend.client.secrets.get(NAME)
    backend.advance(300.0)
    backend.proxy.faults["GetSecretValue"] = [fault]
    begin = time.monotonic()
    assert backend.client.secrets.get(NAME) == "one"
    assert time.monotonic() - begin < LIMITS.deadline * (1 + PATIENCE)
    info = backend.client.secrets.get_info(NAME)
    assert info is not None
    assert info.stale


@pytest.mark.parametrize(
    "body",
    [
        [VALUE],
        VALUE,
        None,
        {"SecretString": [VALUE], "VersionId": "v" * 32},
        {"SecretString": VALUE, "VersionId": {"a": VALUE}},
        {"SecretString": VALUE, "VersionId": "v" * 32, "CreatedDate": VALUE},
        {"SecretString": VALUE, "VersionId": "v" * 32, "CreatedDate": 1e300},
        {"SecretString": VALUE, "VersionId": "v" * 32, "VersionStages": 7},
    ],
)
def test_response_of_another_shape_is_rejected_without_its_content(
    backend: AwsBackend, body: Any
) -> None:
    backend.proxy.faults["GetSecretValue"] = [Fault(body=body)]
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        backend.client.secrets.get(NAME)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    del trace.stack[0]  # this function, whose parameter is the body
    assert len(trace.stack) > 3
    assert VALUE not in "".join(trace.format())


def test_user_without_the_permission_is_denied(
    moto: MotoServer, backend: AwsBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES[:2]:
        backend.put(name, "one")
    use_user(moto, monkeypatch, "secretsmanager:GetSecretValue")
    source = AwsSource(moto.connection(PATIENT), backend.scope)
    with moto.enforcing_iam():
        assert source.fetch(NAMES[0]).value == "one"
        assert source.fetch_many(NAMES[:2]) == {}
    use_user(moto, monkeypatch, "secretsmanager:DescribeSecret")
    source = AwsSource(moto.connection(PATIENT), backend.scope)
    with moto.enforcing_iam(), pytest.raises(errors.AccessDenied) as caught:
        source.fetch(NAMES[0])
    assert str(caught.value).endswith("let the IAM policy grant GetSecretValue on it")


def use_user(moto: MotoServer, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    """Give the process the identity of a new user who may do *action*."""
    iam, user = moto.client("iam"), f"user-{secrets.token_hex(6)}"
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


def test_web_identity_logs_in(
    moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_web_identity(monkeypatch, tmp_path, moto.url)
    connection = moto.connection()
    assert "SecretList" in connection.call(AwsRequest("secretsmanager", "ListSecrets", "", {}))
    connection.close()


def test_web_identity_that_sts_denies_fails_to_authenticate(
    moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_fault_server() as sts:
        use_web_identity(monkeypatch, tmp_path, sts.url)
        sts.faults["AssumeRoleWithWebIdentity"] = [faults.refused("AccessDenied", "not trusted")]
        with pytest.raises(errors.AuthenticationFailed, match="AssumeRoleWithWebIdentity"):
            moto.connection().call(AwsRequest("secretsmanager", "ListSecrets", "", {}))


def test_login_that_hangs_ends_at_the_deadline(
    moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with aws_fault_server() as sts:
        use_web_identity(monkeypatch, tmp_path, sts.url)
        sts.faults["AssumeRoleWithWebIdentity"] = [Fault(body=["slow"] * 99, interval=0.2)]
        connection, request = moto.connection(), AwsRequest("secretsmanager", "ListSecrets", "", {})
        for _ in range(2):
            begin = time.monotonic()
            with pytest.raises(errors.DeadlineExceeded):
                connection.call(request, begin + 0.5)
            assert time.monotonic() - begin < 0.5 + 1.0  # and not the time of the response


def use_web_identity(monkeypatch: pytest.MonkeyPatch, folder: Path, sts: str) -> None:
    set_identity(monkeypatch)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    token = folder / "token"
    token.write_text("a.b.c")
    settings: dict[str, Any] = {
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/app",
        "AWS_WEB_IDENTITY_TOKEN_FILE": token,
        "AWS_ENDPOINT_URL_STS": sts,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
