"""Copying of secrets between a real Vault and moto's server, and what keeps it from writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import (
    AccessDenied,
    RateLimited,
    RequestRefused,
    Unreachable,
)
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.sources.aws import AwsSource
from app_integration.sources.vault import VaultSource
from aws.secret_copy.backend import ValueChanged
from aws.secret_copy.comparison import State
from aws.secret_copy.entry import FIELDS, Entry
from tests.support.models.aws_declared import SCOPE
from tests.support.servers import aws_fault_server as faults
from tests.support.servers.copy_site import LOGIN, PART, PASSWORD, URL, VALUES, CopySite, copy_site
from tests.support.servers.deployment import Deployment
from tests.support.servers.moto_server import MotoServer
from tests.support.servers.provisioning_site import ProvisioningSite, lines
from tests.support.servers.secret_backends import LIMITS

pytestmark = pytest.mark.requires("embedded")

BOTH_WAYS = pytest.mark.parametrize(("source", "target"), [("vault", "aws"), ("aws", "vault")])
EQUAL = dict.fromkeys(VALUES, State.EQUAL)


@pytest.fixture
def site(
    deployment: Deployment, moto: MotoServer, running_site: ProvisioningSite, tmp_path: Path
) -> Iterator[CopySite]:
    """Yield a site whose secrets are on Vault."""
    moto.reset()
    running_site.proxy.forget()
    with copy_site(deployment.operator, running_site, tmp_path) as opened:
        opened.fill()
        yield opened
    running_site.proxy.forget()
    moto.reset()


def fill(site: CopySite, source: str) -> None:
    """Have the secrets on *source* only."""
    if source == "aws":
        assert site.run("vault", "aws") == len(VALUES)
        site.erase("vault")


@BOTH_WAYS
def test_secrets_are_equal_after_a_copy_and_the_second_one_writes_nothing(
    site: CopySite, source: str, target: str
) -> None:
    fill(site, source)
    assert set(site.states(source, target).values()) == {State.MISSING}
    assert site.run(source, target) == len(VALUES)
    assert site.states(source, target) == site.states(target, source) == EQUAL
    before = site.versions(target)
    assert site.run(source, target) == 0
    assert site.versions(target) == before == dict.fromkeys(VALUES, 1)
    assert site.fields() == VALUES
    assert site.texts() == {
        "password": PASSWORD,
        "smtp-password": PART,
        "login": json.dumps(LOGIN, sort_keys=True, separators=(",", ":")),
        "smtp-url": URL,
    }


def test_sdk_reads_the_same_values_and_fields_on_both(site: CopySite) -> None:
    site.run("vault", "aws")
    for source in (VaultSource(site.session, SCOPE), AwsSource(site.aws.connection, SCOPE)):
        assert source.fetch("smtp-url").value == URL
        assert source.fetch("login", None, "user").value == "shop"


@BOTH_WAYS
def test_copied_secrets_are_as_apply_makes_them(site: CopySite, source: str, target: str) -> None:
    fill(site, source)
    site.run(source, target)
    if target == "aws":
        plan = site.aws.plan(site.declaration)
        assert [line for line in lines(plan) if "iam" not in line] == []
        return
    for resource in site.vault_resources():
        assert resource.read(site.session) == resource.desired()


#: Entries of each JSON type, and texts that look like them.
ENTRIES: tuple[dict[str, Any], ...] = (
    {"value": '{"user": "shop"}'},
    {"value": "[1]"},
    {"value": " \n\u00e9\u2028\U0001f511"},
    {"user": "shop", "password": "\u00e9\u2028"},
    {"whole": 2**53, "double": 0.1, "zero": 0.0, "large": 1e300, "off": False, "none": None},
    {"list": [1, "1", [True]], "inner": {"value": "x", "empty": {}}, "\u00e9": ""},
)


def test_entries_are_the_same_after_both_ways(site: CopySite) -> None:
    for first, second in zip(ENTRIES[::2], ENTRIES[1::2], strict=True):
        site.put("password", first)
        site.put("login", second)
        before = site.fields()
        site.run("vault", "aws")
        site.erase("vault", "password", "login")
        site.run("aws", "vault")
        after = site.fields()
        assert json.dumps(after) == json.dumps(before)  # because 1 equals True
        site.erase("aws", "password", "login")


def test_number_that_vault_would_round_is_refused(site: CopySite) -> None:
    site.run("vault", "aws")
    site.write("login", json.dumps({"id": 2**53 + 1}), backend="aws")
    assert "a number of too many digits" in site.compare("aws", "vault")["login"].reason


@BOTH_WAYS
def test_other_value_in_the_target_is_reported_and_replaced_if_asked_for(
    site: CopySite, source: str, target: str
) -> None:
    site.run("vault", "aws")
    site.write("password", "a newer one", backend=source)
    assert site.states(source, target) == {**EQUAL, "password": State.DIFFERENT}
    assert site.run(source, target) == 1
    assert site.states(source, target) == EQUAL
    assert site.texts()["password"] == "a newer one"


@BOTH_WAYS
@pytest.mark.parametrize("name", ["password", "smtp-url"])
def test_value_written_to_the_target_meanwhile_stays(
    site: CopySite, name: str, source: str, target: str
) -> None:
    site.run("vault", "aws")
    site.write("smtp-password", "new", backend=source)
    site.write("smtp-url", "smtp://shop:new@mail", backend=source)
    site.write("password", "new", backend=source)
    copy = site.copy(source, target)
    found = {each.secret.path: each for each in copy.compare()}
    copy.write(found[SCOPE.secret("smtp-password")])
    site.write(name, "written meanwhile", backend=target)
    with pytest.raises(ValueChanged, match="by another client since it was read; run the"):
        copy.write(found[SCOPE.secret(name)])
    entry = site.backends()[target].read(SCOPE.secret(name)).entry
    assert entry is not None
    assert entry.text == "written meanwhile"


@pytest.mark.parametrize(
    ("name", "fields", "written", "content"),
    [
        ("password", {"user": "shop"}, "written meanwhile", None),
        ("login", {"value": "a text"}, '{"user":"written meanwhile"}', FIELDS),
    ],
)
def test_value_written_to_aws_meanwhile_keeps_its_kind(
    site: CopySite, name: str, fields: dict[str, str], written: str, content: str | None
) -> None:
    site.run("vault", "aws")
    site.put(name, fields)
    copy = site.copy("vault", "aws")
    (found,) = [each for each in copy.compare() if each.secret.path == SCOPE.secret(name)]
    site.write(name, written, backend="aws")
    with pytest.raises(ValueChanged):
        copy.write(found)
    stored = site.backends()["aws"].read(SCOPE.secret(name))
    assert stored.entry == Entry(Secret(written), has_fields=content == FIELDS)
    assert stored.content == content


def test_all_that_cannot_be_copied_is_found_before_anything_is_written(site: CopySite) -> None:
    site.put("password", {"value": "é" * 32_769})
    site.put("login", {"value": "x", "user": "y"})
    site.put("smtp-password", {"value": "another"})
    found = site.compare("vault", "aws")
    reasons = {name: each.reason for name, each in found.items() if each.state is State.REFUSED}
    assert "has 65538 bytes, and Secrets Manager takes 1 to 65536" in reasons["password"]
    assert "has other fields beside 'value'" in reasons["login"]
    assert "is not what its parts on vault compose; run strongroom apply" in reasons["smtp-url"]
    assert found["smtp-password"].state is State.MISSING
    assert site.versions("aws") == dict.fromkeys(VALUES, 0)


def test_deleted_and_absent_values_are_told_apart(site: CopySite) -> None:
    site.run("vault", "aws")
    path = SCOPE.secret("password")
    site.session.delete(f"secret/data/{path}")
    assert "latest version was deleted" in site.compare("vault", "aws")["password"].reason
    assert "latest version was deleted" in site.compare("aws", "vault")["password"].reason
    site.session.delete(f"secret/metadata/{path}")
    reason = site.compare("vault", "aws")["password"].reason
    assert "has a value on aws and none on vault; write it there" in reason
    site.aws.secrets.delete_secret(SecretId=path)
    assert "is being deleted; restore it" in site.compare("vault", "aws")["password"].reason
    site.aws.secrets.delete_secret(SecretId=path, ForceDeleteWithoutRecovery=True)
    assert site.states("vault", "aws") == {**EQUAL, "password": State.NO_VALUE}


@BOTH_WAYS
def test_secret_of_another_deployment_is_refused(site: CopySite, source: str, target: str) -> None:
    site.run("vault", "aws")
    path = SCOPE.secret("login")
    theirs = {"managed_by": "strongroom", "deployment": "theirs"}
    tags = [{"Key": key, "Value": value} for key, value in theirs.items()]
    if target == "aws":
        site.aws.secrets.tag_resource(SecretId=path, Tags=tags)
    else:
        site.session.post(f"secret/metadata/{path}", {"custom_metadata": theirs})
    assert "belongs to the deployment 'theirs'" in site.compare(source, target)["login"].reason


def test_binary_value_is_refused(site: CopySite) -> None:
    site.run("vault", "aws")
    site.aws.secrets.put_secret_value(SecretId=SCOPE.secret("login"), SecretBinary=b"\xff")
    assert "is binary" in site.compare("aws", "vault")["login"].reason


def test_denied_read_is_a_reason_and_nothing_is_written(site: CopySite) -> None:
    denied = faults.denied("secretsmanager:DescribeSecret", "arn:x")
    site.aws.proxy.faults["DescribeSecret"] = [denied]
    found = site.compare("vault", "aws")
    assert {each.state for each in found.values()} == {State.REFUSED}
    assert "aws: " in found["login"].reason
    assert "let the IAM policy grant DescribeSecret" in found["login"].reason
    assert {*site.aws.proxy.operations} == {"DescribeSecret"}


FAILURES = {
    "throttled": (faults.throttled(), RateLimited),
    "denied": (faults.denied("secretsmanager:Put", "arn:x"), AccessDenied),
    "cut": (faults.cut({"ARN": "arn:x", "Name": "x", "VersionId": "v"}), Unreachable),
    "lost": (faults.late(faults.cut({"ARN": "arn:x", "Name": "x"})), Unreachable),
}


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        *(("PutSecretValue", failure) for failure in FAILURES),
        ("UpdateSecretVersionStage", "denied"),
        ("UpdateSecretVersionStage", "lost"),
        ("TagResource", "throttled"),
    ],
)
def test_failed_write_is_an_error_and_the_next_run_completes_the_copy(
    site: CopySite, operation: str, failure: str
) -> None:
    site.run("vault", "aws")
    for name, value in (("smtp-password", "new"), ("smtp-url", "smtp://shop:new@mail")):
        site.put(name, {"value": value})
    fault, error = FAILURES[failure]
    site.aws.proxy.faults[operation] = [fault]
    with pytest.raises(error):
        site.run("vault", "aws")
    site.aws.proxy.forget()
    site.run("vault", "aws")
    assert site.states("vault", "aws") == EQUAL
    assert max(site.versions("aws").values()) <= 3


@pytest.mark.parametrize("failure", ["denied", "lost"])
def test_secret_whose_creation_failed_is_created_by_the_next_run(
    site: CopySite, failure: str
) -> None:
    fault, error = FAILURES[failure]
    site.aws.proxy.faults["CreateSecret"] = [fault]
    with pytest.raises((error, RequestRefused)):
        site.run("vault", "aws")
    site.aws.proxy.forget()
    site.run("vault", "aws")
    assert site.states("vault", "aws") == EQUAL
    assert site.versions("aws") == dict.fromkeys(VALUES, 1)


def test_outage_of_a_read_is_an_error_and_not_a_reason(site: CopySite) -> None:
    site.aws.proxy.faults["DescribeSecret"] = [faults.throttled()]
    with pytest.raises(RateLimited):
        site.compare("vault", "aws")


def test_no_value_is_in_a_log_an_error_or_a_file(
    site: CopySite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    files = {*tmp_path.rglob("*")}
    site.run("vault", "aws")
    assert {*tmp_path.rglob("*")} == files
    assert PASSWORD not in caplog.text
    assert "p%40ss" not in caplog.text
    assert PASSWORD not in repr(site.compare("vault", "aws"))


def test_backend_that_is_unreachable_is_an_error_and_not_a_reason(site: CopySite) -> None:
    with Session("http://127.0.0.1:9", StaticToken(Secret("x")), limits=LIMITS) as session:
        copy = site.copy("vault", "aws", session=session)
        with pytest.raises(Unreachable):
            copy.compare()
